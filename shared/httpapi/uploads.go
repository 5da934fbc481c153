package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	uploadsPath = "/api/databases/{database}/uploads"
	uploadPath  = uploadsPath + "/{id}"
	// sendingTime is how long fresh links work. Links work again and again, but each for one key and size only.
	sendingTime = time.Hour
	// leastLifetime is what a link must be good for, to be worth giving out.
	leastLifetime = time.Minute
	// sendingLimit is how long an upload may take in all: unfinished parts are removed from the bucket after a day.
	sendingLimit = 24 * time.Hour
)

// sendingSample goes from a file on disk to an upload that is being inspected. A form's fields come before the file, as S3 reads
// nothing behind that; jq writes them in curl's own notation, so that no value is taken for an option.
const sendingSample = `# Announce the file.
curl -H "Authorization: Bearer $TOKEN" $URL/api/databases/school/uploads \
  --json '{"filename":"school.sql.gz","size":'$(wc -c < school.sql.gz)'}' > upload.json

# Up to 5 GiB: send it by the form. Its fields go first, the file last.
jq -r '.post.fields | to_entries[] | "form-string = \("\(.key)=\(.value)" | @json)"' upload.json |
  curl -f -K - -F file=@school.sql.gz "$(jq -r .post.url upload.json)"

# Larger: send its parts to their links.
split -d -a 4 -b "$(jq .parts.partSize upload.json)" school.sql.gz part.
jq -r '.parts.urls[]' upload.json | paste - <(ls part.*) |
  while read -r url part; do curl -f -T "$part" "$url" || break; done

# Complete the upload, and look until it is accepted or rejected.
upload=$URL/api/databases/school/uploads/$(jq -r .id upload.json)
curl -H "Authorization: Bearer $TOKEN" -X POST $upload/complete
curl -H "Authorization: Bearer $TOKEN" $upload`

// UploadRequest announces a file.
type UploadRequest struct {
	Filename string `json:"filename" minLength:"1" maxLength:"255" doc:"The file's name. It ends in .sql, .gz or .sql.gz." example:"school.sql.gz"`
	Size     int64  `json:"size" minimum:"1" doc:"The file's size in bytes: at most 100 GiB. Exactly as many have to be sent." example:"7340032"`
	SHA256   string `json:"sha256,omitempty" minLength:"64" maxLength:"64" pattern:"^[0-9a-f]{64}$" patternDescription:"a SHA-256 in lower-case hex" doc:"SHA-256 of the file in lower-case hex, where it is known. A file that has another is rejected."`
}

// UploadList is a page of uploads.
type UploadList struct {
	Items []Upload `json:"items" doc:"Newest first."`
	Next  string   `json:"next,omitempty" doc:"The cursor of the next page. Absent on the last one. A page may be shorter than its limit before the last."`
}

// UploadLinks is an upload with the way to send its file.
type UploadLinks struct {
	Upload
	Post  *PostForm  `json:"post,omitempty" doc:"The form to send the file by, for one of at most 5 GiB."`
	Parts *PartLinks `json:"parts,omitempty" doc:"The links to send the file's parts to, for a larger one. Both are absent where the upload does not wait for its file any more, or for less than a minute."`
}

// PostForm is a form that sends a file.
type PostForm struct {
	URL       string            `json:"url" format:"uri" doc:"Where to POST it to, as multipart/form-data."`
	Fields    map[string]string `json:"fields" doc:"The form's fields, as they are. Behind them comes the field file with the file's content: what follows it is not read."`
	ExpiresAt time.Time         `json:"expiresAt" doc:"When the form stops to work. A transfer that has begun goes on."`
}

// PartLinks are the links of a file's parts.
type PartLinks struct {
	PartSize  int64     `json:"partSize" doc:"Bytes of each part but the last, which has what is left." example:"134217728"`
	URLs      []string  `json:"urls" doc:"Where to PUT each part to, in their order. Parts may be sent side by side, and again."`
	ExpiresAt time.Time `json:"expiresAt" doc:"When the links stop to work. A transfer that has begun goes on. Fresh ones can be had for a day."`
}

func (a *API) registerUploads() {
	notThere := []string{"upload_not_found", "not_found"}
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: uploadsPath, Permission: access.BackupsRead}, id: "list-uploads", tag: "Uploads",
		summary: "List the uploads for a database", refusals: refusals{400: {"cursor_invalid"}, 422: {"request_invalid"}},
	}, a.listUploads)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: uploadsPath, Permission: access.RestoresRehearse}, id: "create-upload", tag: "Uploads",
		summary: "Announce a file to restore",
		text: "Answers with the upload's record and the way to send the file: it goes to the bucket, not through this API. A file of at most 5 GiB is sent by " +
			"one POST of a form, a larger one in parts. The links work for an hour. When the file is sent, complete the upload.",
		sample: sendingSample, status: http.StatusCreated, refusals: withBody(refusals{422: {"upload_name_refused", string(backup.CodeFileLimit), "idempotency_key_reused"}}),
	}, a.createUpload)
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: uploadPath, Permission: access.BackupsRead}, id: "get-upload", tag: "Uploads",
		summary: "Get an upload, with its inspection", refusals: refusals{404: notThere},
		text: "The inspection says what the file holds and, where it was rejected, at which line and what to do. An upload whose file was not sent by expiresAt is shown as rejected, with the code upload_never_arrived.",
	}, a.getUpload)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: uploadPath + "/links", Permission: access.RestoresRehearse}, id: "renew-upload-links", tag: "Uploads",
		summary: "Get fresh links for an upload", refusals: refusals{404: notThere, 409: {"upload_not_pending"}},
		text: "For an upload that waits for its file: its links work for an hour from then on, for a day in all. Parts that have arrived need not be sent again. It is recorded who asked.",
	}, a.renewLinks)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: uploadPath + "/complete", Permission: access.RestoresRehearse}, id: "complete-upload", tag: "Uploads",
		summary: "Complete an upload: its file was sent", status: http.StatusAccepted, refusals: refusals{404: notThere, 409: {"upload_incomplete", "upload_gone"}},
		text: "Has the file inspected, which reads it from beginning to end and runs nothing of it, and answers with the record. Poll it until it is accepted or rejected. " +
			"Where not all of the file has arrived, the upload stays pending: send what is missing and call again. A call that was cut off can be repeated.",
	}, a.completeUpload)
}

func (a *API) listUploads(ctx context.Context, in *InPageOfDatabase) (*output[UploadList], error) {
	if err := checkCursor(in.Cursor); err != nil {
		return nil, err
	}
	records, next, err := a.Uploads.List(ctx, database(ctx).Name, backup.Page{After: in.Cursor, Limit: in.Limit})
	if err := a.readable(ctx, err); err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	now := a.board(ctx)
	list := UploadList{Items: make([]Upload, 0, len(records)), Next: next}
	for _, u := range records {
		list.Items = append(list.Items, a.uploadNow(ctx, now, u, false))
	}
	return &output[UploadList]{list}, nil
}

// uploadNow is an upload with what only the moment knows.
func (a *API) uploadNow(ctx context.Context, now *board, u backup.Upload, withLog bool) Upload {
	v := uploadView(seen(u, a.Now()), a.Now(), withLog)
	now.tell(ctx, &v.Job, u.Job)
	return v
}

// findUpload reads an upload as callers see it.
func (a *API) findUpload(ctx context.Context, id string) (backup.Upload, error) {
	u, err := a.readUpload(ctx, id)
	return seen(u, a.Now()), err
}

func (a *API) readUpload(ctx context.Context, id string) (backup.Upload, error) {
	u, err := a.Uploads.Get(ctx, database(ctx).Name, id)
	if err != nil {
		return u, orNotFound(err, "upload_not_found", "There is no upload with that id.")
	}
	return u, nil
}

func (a *API) getUpload(ctx context.Context, in *InRecord) (*output[UploadDetail], error) {
	u, err := a.readUpload(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &output[UploadDetail]{UploadDetail{Upload: a.uploadNow(ctx, a.board(ctx), u, true), Inspection: inspectionView(u.Inspection)}}, nil
}

type createUploadInput struct {
	InDatabase
	IdempotencyKey
	Body UploadRequest
}

func (a *API) createUpload(ctx context.Context, in *createUploadInput) (*accepted[UploadLinks], error) {
	file, err := announced(in.Body)
	if err != nil {
		return nil, err
	}
	id, _, err := a.claim(ctx, in.IdempotencyKey, "create-upload", in.Body)
	if err != nil {
		return nil, err
	}
	u, err := a.Desk.Announce(ctx, database(ctx), id, file, actor(ctx))
	if err != nil {
		return nil, err
	}
	v, err := a.withLinks(ctx, u)
	if err != nil {
		return nil, err
	}
	return &accepted[UploadLinks]{Location: uploadAddress(u), Body: v}, nil
}

func uploadAddress(u backup.Upload) string {
	return "/api/databases/" + u.Database + "/uploads/" + u.ID
}

// announced is what somebody says of a file, refused where no such file is taken.
func announced(r UploadRequest) (backup.UploadFile, error) {
	// Browsers and people send paths: the last segment is the name, whichever slash the sender's system has.
	name := path.Base(strings.ReplaceAll(r.Filename, `\`, "/"))
	refuse := func(p *Problem, field, message string) (backup.UploadFile, error) {
		p.Errors = []FieldError{{Location: "body." + field, Message: message}}
		return backup.UploadFile{}, p
	}
	if strings.ContainsFunc(name, invisible) {
		return refuse(problem(http.StatusUnprocessableEntity, "upload_name_refused", "The file's name holds characters that can't be seen, such as a line break.",
			"Rename the file and upload it again."), "filename", "must not hold control characters")
	}
	if err := backup.CheckUploadName(name); err != nil {
		return refuse(problemOf(err), "filename", "must end in .sql, .gz or .sql.gz")
	}
	if r.Size > backup.MaxUploadSize {
		return refuse(problem(http.StatusUnprocessableEntity, string(backup.CodeFileLimit), fmt.Sprintf("The file is larger than %d GiB, which is the most that can be restored.", backup.MaxUploadSize>>30),
			"Restore a file of this size by hand, with psql on a machine near the database."), "size", fmt.Sprintf("must be at most %d", int64(backup.MaxUploadSize)))
	}
	return backup.UploadFile{Filename: name, Size: r.Size, SHA256: r.SHA256}, nil
}

// invisible reports whether r makes a name look like another one: it breaks the line, or turns the direction of reading.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}

// withLinks is an upload with the way to send its file, where it waits for that.
func (a *API) withLinks(ctx context.Context, u backup.Upload) (UploadLinks, error) {
	v := UploadLinks{Upload: a.uploadNow(ctx, a.board(ctx), u, false)}
	lifetime := u.Expires.Sub(a.Now())
	if v.State != backup.Pending || lifetime < leastLifetime {
		return v, nil
	}
	if u.PartsID != "" {
		links, err := a.Dropbox.PresignParts(ctx, u.Key, u.PartsID, u.Size, lifetime)
		if err != nil {
			return v, fmt.Errorf("presign the parts of %s: %w", u.Key, err)
		}
		v.Parts = &PartLinks{PartSize: links.PartSize, URLs: links.URLs, ExpiresAt: links.Expires.UTC()}
		return v, nil
	}
	form, err := a.Dropbox.PresignPost(ctx, u.Key, u.Size, lifetime)
	if err != nil {
		return v, fmt.Errorf("presign the form for %s: %w", u.Key, err)
	}
	v.Post = &PostForm{URL: form.URL, Fields: form.Fields, ExpiresAt: form.Expires.UTC()}
	return v, nil
}

func (a *API) renewLinks(ctx context.Context, in *InRecord) (*output[UploadLinks], error) {
	u, err := a.readUpload(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	now := a.Now().UTC()
	if err := pending(u, now); err != nil {
		return nil, err
	}
	// The links are given only to somebody whose name is on record.
	if err := a.record(ctx, actor(ctx), "upload.links", u.Database, u.ID, "accepted", u.Filename); err != nil {
		return nil, err
	}
	u, err = a.Uploads.Update(ctx, u.Database, u.ID, func(u *backup.Upload) error {
		if err := pending(*u, now); err != nil {
			return err
		}
		u.Expires = later(u.Expires, earlier(now.Add(sendingTime), u.RequestedAt.Add(sendingLimit)))
		return nil
	})
	if err != nil {
		return nil, orNotFound(err, "upload_not_found", "There is no upload with that id.")
	}
	v, err := a.withLinks(ctx, u)
	if err != nil {
		return nil, err
	}
	return &output[UploadLinks]{v}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pending refuses an upload that does not wait for its file.
func pending(u backup.Upload, now time.Time) error {
	if u = seen(u, now); u.State == backup.Pending {
		return nil
	}
	return problem(http.StatusConflict, "upload_not_pending", "This upload does not wait for its file: it is "+string(u.State)+".",
		"To send another file, announce it as a new upload.")
}

func (a *API) completeUpload(ctx context.Context, in *InRecord) (*accepted[Upload], error) {
	// As it is stored: a file that arrived just before its time was over is taken, whenever that is noticed.
	u, err := a.readUpload(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	u, err = a.Desk.Receive(ctx, u)
	if why := (*backup.Error)(nil); errors.As(err, &why) {
		return nil, problemAs(why, http.StatusConflict)
	}
	if err != nil {
		return nil, orNotFound(err, "upload_not_found", "There is no upload with that id.")
	}
	return &accepted[Upload]{Location: uploadAddress(u), Body: a.uploadNow(ctx, a.board(ctx), u, false)}, nil
}
