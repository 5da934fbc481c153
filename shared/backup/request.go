package backup

// UploadFile is what somebody says of a file before sending it.
type UploadFile struct {
	Filename string // as the sender names it
	Size     int64  // bytes
	SHA256   string // lower-case hex; "" where the sender does not know it
}

// RestoreSource is what is to be restored: one of the two.
type RestoreSource struct {
	Backup *Backup
	Upload *Upload
}

// RestoreOptions are an operator's choices for a restore.
type RestoreOptions struct {
	DryRun bool
	// AcceptUnproven says that the operator knows that nothing proves the file to be complete. Needed for uploads of which that is so.
	AcceptUnproven bool
	// AcceptPartial says that the operator knows that a partial backup leaves the other tables empty. Needed for a real run, and for a
	// dry run that is to be applied.
	AcceptPartial bool
}
