package backup

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// Upload is the record of a file that somebody sends in to restore. It goes pending → received → accepted | rejected: its link was
// given out; the file is in the bucket; it was inspected. The inspection is the upload's job, which runs from received on.
type Upload struct {
	Job
	Filename string    `json:"filename"`          // as the sender names it
	Key      string    `json:"key"`               // where it is sent to
	Size     int64     `json:"size"`              // bytes, as announced
	SHA256   string    `json:"sha256,omitempty"`  // as announced: a file that has another is rejected; "" where the sender did not say
	PartsID  string    `json:"partsId,omitempty"` // S3's id of an upload in parts; "" for one in a single piece
	Expires  time.Time `json:"expires"`           // when its link ends
	// File is pinned when the file was received; its SHA-256 is known once it was inspected.
	File       *Stored     `json:"file,omitempty"`
	Inspection *Inspection `json:"inspection,omitempty"` // of an accepted one, and of a rejected one as far as it was read
}

// MaxUploadSize is the largest file that is taken, in bytes. No worker could restore a larger one in the time it has.
const MaxUploadSize = 100 << 30

// MaxPostSize is S3's bound on a form that sends a file, in bytes. A larger file is sent in parts.
const MaxPostSize = 5 << 30

// UploadsKept is for how long the file of an upload is promised to be there, from when it was announced. A rule of the bucket deletes it
// then or soon after: it counts whole days from when the file arrived.
const UploadsKept = 7 * 24 * time.Hour

// acceptedNames are the names that an uploaded file may have.
var acceptedNames = []string{".sql", ".gz", ".sql.gz"}

// CheckUploadName refuses a file by its name, before a byte of it is sent.
func CheckUploadName(filename string) error {
	base := path.Base(strings.ReplaceAll(filename, `\`, "/"))
	for _, end := range acceptedNames {
		if n := len(base) - len(end); n > 0 && strings.EqualFold(base[n:], end) {
			return nil
		}
	}
	return &Error{Code: "upload_name_refused", Text: fmt.Sprintf("The file %q is not of a kind that can be restored.", base),
		Hint: "Choose a file whose name ends in " + strings.Join(acceptedNames, ", ") + "."}
}

// Receive moves a pending upload to received. file says which version of which object it is.
func (u *Upload) Receive(file Stored, now time.Time) error {
	if u.State != Pending {
		return &TransitionError{ID: u.ID, From: u.State, To: Received}
	}
	u.State, u.File = Received, &file
	u.Note(now, fmt.Sprintf("The file arrived: %d bytes.", file.Size))
	return nil
}

// Accept moves an upload that was inspected by attempt to accepted. sha256 is that of the bytes that were read.
func (u *Upload) Accept(attempt int, found Inspection, sha256 string, now time.Time) error {
	if found.HazardCount > 0 || found.Completeness == Cut || u.File == nil || sha256 == "" {
		return fmt.Errorf("accept upload %s: its inspection does not allow it", u.ID)
	}
	if err := u.end(Accepted, attempt, now); err != nil {
		return err
	}
	u.Inspection, u.File.SHA256 = &found, sha256
	return nil
}

// Reject moves an upload to rejected. found is nil where it was not inspected.
func (u *Upload) Reject(attempt int, found *Inspection, why Failure, now time.Time) error {
	if err := u.failAs(Rejected, attempt, why, now); err != nil {
		return err
	}
	u.Inspection = found
	return nil
}

// Unproven reports whether nothing proves the file to be complete: a restore of it has to be asked for with that in mind.
func (u *Upload) Unproven() bool { return u.Inspection != nil && u.Inspection.Completeness == Unproven }

// KeptUntil is when the upload's file is not kept any more.
func (u *Upload) KeptUntil() time.Time { return u.RequestedAt.Add(UploadsKept) }

// CanRestore is nil where a restore that is asked for now may be started with these options, else an *Error.
func (u *Upload) CanRestore(o RestoreOptions, now time.Time) error {
	if err := u.Usable(now); err != nil {
		return err
	}
	if u.Unproven() && !o.AcceptUnproven {
		return &Error{Code: "upload_unproven", Text: "Nothing proves that this file is complete: it has no end mark of a tool that is known.",
			Hint: "Check where the file comes from. If it is what you want, acknowledge this and start the restore again."}
	}
	return nil
}

// Usable is nil where the upload can be restored, else an *Error that says why not.
func (u *Upload) Usable(now time.Time) error {
	const code = "upload_not_accepted"
	switch u.State {
	case Accepted:
		if now.Before(u.KeptUntil()) {
			return nil
		}
		return &Error{Code: "upload_gone", Text: "The file of this upload is not kept any more: that is a week.", Hint: "Upload the file again."}
	case Rejected:
		return &Error{Code: code, Text: "This upload was rejected.", Hint: "Read its reason, then upload another file."}
	case Pending:
		return &Error{Code: code, Text: "The file of this upload has not arrived.", Hint: "Send it to the upload's link, then complete the upload."}
	}
	return &Error{Code: code, Text: "This upload is being inspected.", Hint: "Wait until it is accepted."}
}

// PostForm is what somebody needs to send a file into the bucket by one POST of multipart/form-data: the fields, in any order,
// and behind them the field "file". It takes a file of the announced size only, under the one key.
type PostForm struct {
	URL     string
	Fields  map[string]string
	Expires time.Time
}

// PartLinks is what somebody needs to send a file in parts: each but the last has PartSize bytes, and is PUT to its URL.
type PartLinks struct {
	PartSize int64
	URLs     []string
	Expires  time.Time
}
