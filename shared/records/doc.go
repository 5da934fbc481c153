// Package records keeps the state of backups and restores as objects in an S3 bucket, by conditional writes. There is no
// other database: lose everything else, and the bucket still tells the whole story.
//
//	records/{backups,restores,uploads}/<database>/<~id>.json   [Store.Backups], [Store.Restores], [Store.Uploads]
//	activity/<~id>.json                                        [Store.Activity]
//	open/<database>/<id>.<kind>                                [Store.Open]
//	open/<database>/<id>.<kind>.<restore>                      [Store.Open], of a job that follows a restore
//	held/<database>/<restore>.json                             [Store.Holdings]
//	idempotency/<database>/<hash>.json                         [Store.Idempotency]
//	locks/<database>.json                                      [Locks]
//
// ~id is the complemented id, so that S3's ascending list is newest first: see backup.Complement.
//
// # Writes
//
// An object's body is an envelope {"version":1,"write":"<nonce>","earlier":[…],"record":{…}}, and the nonce is fresh with each
// write. Records are created by If-None-Match: * and changed by If-Match. When S3's answer is lost, or the condition is said
// not to hold, the object is read again: our nonce in it means that our write succeeded, whatever we were told; else it
// is decided anew. The nonces of the last writes before are kept in "earlier", so that a write is known to have succeeded even
// when another writer has built on it before we could look.
package records
