package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// loadedText is what a file of writeIndexed is loaded as: the large objects before the rows.
var loadedText = strings.Replace(dumpText, "COPY", largeObjects+"COPY", 1)

const largeObjects = "SELECT pg_catalog.lo_open('1', 131072);\n"

// writeIndexed writes dumpText as a file with an index, and large objects behind its rows.
func writeIndexed(w io.Writer) error {
	f := dumpfile.NewWriter(w, dumpfile.Options{Head: dumpfile.Index{Engine: "postgres"}})
	table := f.AddTable(dumpfile.Table{Schema: "public", Name: "t"})
	before, rows, _ := strings.Cut(dumpText, "COPY")
	for _, part := range []struct {
		kind  dumpfile.Kind
		table int
		text  string
	}{{dumpfile.Schema, -1, before}, {dumpfile.Data, table, "COPY" + rows}, {dumpfile.LargeObjects, -1, largeObjects}} {
		m := f.Member(part.kind, part.table)
		_, _ = io.WriteString(m, part.text) // a member's errors stick
		if part.table >= 0 {
			m.Rows(2, 4)
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	_, err := f.Close()
	return err
}

// readText reads a text in the way that it wants to be read.
func readText(ctx context.Context, t backup.Text) ([]byte, error) {
	var all []byte
	read := func(r io.ReadCloser, err error) error {
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		text, err := io.ReadAll(r)
		all = append(all, text...)
		return err
	}
	if t.Pieces() == nil {
		return all, read(t.All(ctx))
	}
	for i := range t.Pieces() {
		if err := read(t.Piece(ctx, i)); err != nil {
			return all, fmt.Errorf("piece %d: %w", i, err)
		}
	}
	return all, nil
}

func TestRestore_OfAFileWithAnIndexIsLoadedInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.indexed = true
	b := w.created()
	if !b.Indexed {
		t.Fatal("the record does not say that the file has an index")
	}
	id := w.startRestore(b, true).ID
	w.work("second")
	if r := w.restore(id); r.State != backup.Rehearsed || w.engine.pieces.Load() != 3 || string(*w.engine.loaded.Load()) != loadedText {
		t.Errorf("restore is %s (%+v), loaded in %d pieces", r.State, r.Failure, w.engine.pieces.Load())
	}

	// The same file, sent by somebody.
	u := w.accepted(w.content(b.File.Key))
	id = w.startUploadRestore(u, backup.RestoreOptions{DryRun: true}).ID
	w.work("third")
	if r := w.restore(id); r.State != backup.Rehearsed || w.engine.pieces.Load() != 3 {
		t.Errorf("restore is %s (%+v), loaded in %d pieces", r.State, r.Failure, w.engine.pieces.Load())
	}
}

// content is that of an object.
func (w *world) content(key string) []byte {
	w.t.Helper()
	out, err := w.client.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}

func TestRestore_OfAFileWithAnIndexThatIsNotTheRecordedOneIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func([]byte) []byte{
		"a row is another":     func(f []byte) []byte { f[bytes.LastIndex(f[:len(f)/2], []byte{0x1f, 0x8b})+12] ^= 1; return f },
		"its end is cut":       func(f []byte) []byte { return f[:len(f)-1] },
		"its index is another": func(f []byte) []byte { f[len(f)-60] ^= 1; return f },
		"it is gone":           nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.engine.indexed = true
			b := w.created()
			want := backup.CodeFileChanged
			if spoil == nil {
				want = backup.CodeSourceGone
				if err := w.files.Delete(t.Context(), b.File.Key, b.File.VersionID); err != nil {
					t.Fatal(err)
				}
			} else {
				// S3 never changes a version: another is written, and the record is made to mean it.
				f, err := w.files.Create(t.Context(), b.File.Key)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(spoil(w.content(b.File.Key))); err != nil {
					t.Fatal(err)
				}
				stored, err := f.Commit(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.tamper(b, func(f *backup.Stored) { *f = stored })
			}
			id := w.startRestore(w.backup(b.ID), true).ID
			w.work("second")
			if r := w.restore(id); r.State != backup.Failed || r.Failure.Code != want || len(w.engine.names()) != 0 {
				t.Errorf("restore is %s (%+v), on the server are %v", r.State, r.Failure, w.engine.names())
			}
		})
	}
}

func TestRestore_OfAFileWithAnIndexIsHeldToTheChecksumOfTheWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.indexed = true
	b := w.created()
	w.tamper(b, func(f *backup.Stored) { f.CRC64NVME = "AAAAAAAAAAA=" })
	id := w.startRestore(w.backup(b.ID), true).ID
	w.work("second")
	if r := w.restore(id); r.State != backup.Failed || r.Failure.Code != backup.CodeFileChanged {
		t.Errorf("restore is %s (%+v)", r.State, r.Failure)
	}
}
