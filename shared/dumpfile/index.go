// Package dumpfile writes and reads dump files: plain .sql.gz files that every tool for gzip reads as one script, and that can
// also be read in parts. docs/file-format.md specifies them.
//
// A file is a sequence of gzip members: the schema, the rows of the tables (one or more members each, in any order), large objects
// where there are any, the values of sequences, the constraints; then the index as SQL comments, in a member of its own, and an
// empty member, the trailer, whose extra field says where the index is. [NewWriter] makes one: [Writer.Member] begins a member, of
// which several can be filled at the same time, and [Writer.Close] ends the file. [ReadIndex] reads the index of a file by two range
// reads, and [Member.Open] the text of one member. [Verify] reads a whole file and knows every cut and every changed byte.
// [Rebuild] makes the index anew for a file that has lost it.
package dumpfile

import (
	"errors"
	"fmt"
)

// Kind says what a member holds.
type Kind string

// The kinds, in the order in which they come in a file. Rows and large objects come in any.
const (
	Schema       Kind = "schema"       // header and everything that has to be there before rows
	Data         Kind = "data"         // rows of one table: comments, and one statement that loads them
	LargeObjects Kind = "largeObjects" // the content of large objects, among the rows; several are one text, in their order
	Sequences    Kind = "sequences"    // the values of sequences
	Constraints  Kind = "constraints"  // everything that comes after rows, and the end mark
)

// Column is a column of a table's rows.
type Column struct {
	Name string `json:"name"`
	// Type is its type as the server writes it in full, such as "character varying(80)"; "" where not known.
	Type    string `json:"type,omitempty"`
	NotNull bool   `json:"notNull,omitempty"`
}

// Table is a table whose rows are in the file, none of them perhaps. Names are the server's, unquoted.
type Table struct {
	Schema  string   `json:"schema"`
	Name    string   `json:"name"`
	Columns []Column `json:"columns,omitempty"` // those that the rows have, in their order
	Key     []string `json:"key,omitempty"`     // the columns of its primary key
	// Extension is the extension that brings the table: what it puts there itself is not in the file.
	Extension string `json:"extension,omitempty"`
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"` // of rows as text, before compression
}

// Member is one gzip member of a file.
type Member struct {
	Offset int64  `json:"offset"` // of its first byte
	Length int64  `json:"length"` // bytes in the file
	CRC    uint32 `json:"crc"`    // CRC-32C (Castagnoli) of these bytes: gzip's own does not cover its header
	Kind   Kind   `json:"kind"`
	Table  int    `json:"table"`          // index in Index.Tables, -1 for members that are no table's
	Rows   int64  `json:"rows,omitempty"` // of the table, in this member
	Bytes  int64  `json:"bytes"`          // of text, before compression
	Line   int64  `json:"line"`           // of its first line in the text of the whole file, from 1
}

// Index tells what a file holds and where. It describes every byte before itself.
type Index struct {
	Version       int    `json:"version"` // of the format: see FormatVersion
	Engine        string `json:"engine"`  // postgres or mysql
	ServerVersion string `json:"serverVersion,omitempty"`
	ToolVersion   string `json:"toolVersion,omitempty"` // of the program that wrote the schema
	Encoding      string `json:"encoding,omitempty"`    // of the text, as the server names it

	Tables  []Table  `json:"-"`
	Members []Member `json:"-"`
}

// FormatVersion is the version of the format that this package writes, and the newest that it reads.
const FormatVersion = 1

// ErrNoIndex says that a file does not end with a trailer: it is no file of this format, or it is cut, or its index was taken off.
var ErrNoIndex = errors.New("the file has no index")

// CorruptError says what is wrong with a file, and where.
type CorruptError struct {
	Offset int64 // of the member in the file, in bytes
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the file is damaged in the member at byte %d: %s", e.Offset, e.What)
}
