package backup

// Completeness says whether a file is known to be whole.
type Completeness string

// What can be known of a file's end.
const (
	Proven   Completeness = "proven"   // the end mark of a known tool is there, and nothing but comments and \unrestrict behind it
	Unproven Completeness = "unproven" // every statement closes, but no known tool's end mark says that nothing is missing
	Cut      Completeness = "cut"      // it ends inside a statement, a quote, rows, or its compression
)

// Inspection is what a file was found to hold, read from its beginning to its end and not run.
type Inspection struct {
	Engine        EngineKind   `json:"engine,omitempty"`        // "" where the text does not tell
	Tool          string       `json:"tool,omitempty"`          // such as pg_dump; "" for a hand-made script
	ToolVersion   string       `json:"toolVersion,omitempty"`   // such as 15.18
	ServerVersion string       `json:"serverVersion,omitempty"` // of the server that was dumped
	Encoding      string       `json:"encoding,omitempty"`      // client_encoding of the text, as PostgreSQL names it; UTF8 where it sets none
	Compressed    bool         `json:"compressed"`              // gzip
	Bytes         int64        `json:"bytes"`                   // of the file
	SQLBytes      int64        `json:"sqlBytes"`                // of the text
	Lines         int64        `json:"lines"`
	Completeness  Completeness `json:"completeness"`
	// CutAt is the line where the text ends too early, and CutIn what it ends inside; 0 and "" where it doesn't.
	CutAt int64  `json:"cutAt,omitempty"`
	CutIn string `json:"cutIn,omitempty"`
	// Database is the name under which the script creates or connects to its database; "" where it names none.
	Database   string           `json:"database,omitempty"`
	Extensions []string         `json:"extensions,omitempty"` // that it creates
	Statements map[string]int64 `json:"statements"`           // number by kind, such as "CREATE TABLE"
	Tables     []TableRows      `json:"tables,omitempty"`     // tables that it creates or fills, with the rows of COPY and INSERT
	// RowsInexact is the line of the first statement after which the rows can't be foretold from the text: UPDATE, DELETE,
	// TRUNCATE, INSERT … SELECT, ON CONFLICT, CREATE TABLE AS, triggers of its own before data, DO, CALL, and the like. 0 if none.
	RowsInexact int64 `json:"rowsInexact,omitempty"`
	// Hazards are why the file is refused: the first 100 of HazardCount. Empty for a file that may be restored.
	Hazards     []Hazard `json:"hazards,omitempty"`
	HazardCount int64    `json:"hazardCount,omitempty"`
	// Ignored are lines that are harmless because they are not run: the first 1,000 of IgnoredCount.
	Ignored      []Skipped `json:"ignored,omitempty"`
	IgnoredCount int64     `json:"ignoredCount,omitempty"`
}

// Hazard is something in a file that must not be run, or can't be.
type Hazard struct {
	Code string `json:"code"` // kind of hazard, such as psql_command or server_file
	Line int64  `json:"line"` // in the uncompressed text, from 1
	Text string `json:"text"` // the statement or command, shortened
	Why  string `json:"why"`  // what it would do
	Hint string `json:"hint"` // what to do about it
}
