package dumpfile

import (
	"io"
)

// Options are the settings of a Writer. The zero value of a field means its default.
type Options struct {
	// Head is what the index says of the whole; Tables may grow by AddTable.
	Head Index
	// Level is the level of compression: see Level.
	Level Level
	// Memory bounds the compressed bytes that are kept of members which can't be written yet. Default: 32 MiB.
	Memory int64
}

// Level says how hard to compress.
type Level int

// Writer writes a file. Its methods may be called by several goroutines.
type Writer struct{}

// NewWriter begins a file. Nothing is written yet.
func NewWriter(_ io.Writer, _ Options) *Writer { return &Writer{} }

// AddTable makes a table known and returns its number, for Member. Its rows and bytes are counted by the members.
func (w *Writer) AddTable(Table) int { return 0 }

// Member begins a member. Members appear in the file in the order in which they are closed, each whole: its bytes are kept until then.
// One that outgrows the memory there is writes on to the file at once, and the others wait for it. table is -1 for kinds other than Data.
func (w *Writer) Member(_ Kind, _ int) *MemberWriter { return &MemberWriter{} }

// Close writes the index and the trailer, after all members are closed, and returns the index. It does not close what is below.
func (w *Writer) Close() (*Index, error) { return nil, ErrNoIndex }

// MemberWriter takes the text of one member. It is used by one goroutine. Its errors stick, and are the Writer's.
type MemberWriter struct{}

// Write implements io.Writer.
func (m *MemberWriter) Write(p []byte) (int, error) { return len(p), nil }

// Rows says that the member has n more rows, whose text has bytes bytes.
func (m *MemberWriter) Rows(n, bytes int64) {}

// Bytes is the length of the text so far.
func (m *MemberWriter) Bytes() int64 { return 0 }

// Close ends the member and puts it into the file. A member of no text is left out.
func (m *MemberWriter) Close() error { return nil }

// Discard gives the member up. It does nothing after Close. A member that has begun to be written can't be taken back: the file
// is broken then, and the Writer's error says so.
func (m *MemberWriter) Discard() {}

// Ranger reads a part of a file: length bytes from offset on, fewer only with an error.
type Ranger func(offset, length int64) (io.ReadCloser, error)

// ReadIndex reads the index of a file of size bytes. ErrNoIndex where it has none; a *CorruptError where that is damaged. What the
// index says of the members is checked as far as it can be without reading them: they lie one behind the other and fill the file.
func ReadIndex(_ Ranger, _ int64) (*Index, error) { return nil, ErrNoIndex }

// Open reads the text of a member. r gives the member's bytes, no more. Its end is only io.EOF where bytes, lengths and checksums are
// those of the index: else it is a *CorruptError.
func (m Member) Open(_ io.Reader) io.ReadCloser { return nil }

// Verify reads a whole file, from its beginning to its end, and returns its index. Any cut and any changed byte is an error: a *CorruptError,
// or ErrNoIndex.
func Verify(_ io.Reader) (*Index, error) { return nil, ErrNoIndex }

// Rebuild makes the index of a file anew from what it holds, for one that has lost its index or whose end is damaged: the error is nil
// where the file is whole but for that, and a *CorruptError where the script itself is cut or damaged.
func Rebuild(_ io.Reader) (*Index, error) { return nil, ErrNoIndex }
