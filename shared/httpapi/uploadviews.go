package httpapi

import (
	"maps"
	"slices"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Upload is an upload as lists show it.
type Upload struct {
	Job
	State                backup.State   `json:"state" enum:"pending,received,accepted,rejected" doc:"Where it stands: waits for its file; is being inspected; can be restored; can't be."`
	Filename             string         `json:"filename" doc:"The file's name, as its sender gave it." example:"school.sql.gz"`
	Size                 int64          `json:"size" doc:"Bytes of the file."`
	SHA256               string         `json:"sha256,omitempty" doc:"SHA-256 of the file, in lower-case hex: as announced, and once it was inspected as it was read."`
	ExpiresAt            *time.Time     `json:"expiresAt,omitempty" doc:"Until when the file can be sent. Absent once it has arrived."`
	KeptUntil            *time.Time     `json:"keptUntil,omitempty" doc:"Until when the file is kept, so that a restore of it can be asked for: a week from when it was announced. Absent until it has arrived."`
	Summary              *UploadSummary `json:"summary,omitempty" doc:"What was found in it, in numbers. Absent until inspected."`
	NeedsAcknowledgement bool           `json:"needsAcknowledgement" doc:"Whether a restore of it needs acceptUnproven, as nothing proves the file to be complete."`
	Usable               bool           `json:"usable" doc:"Whether it can be restored."`
	Unusable             *Refusal       `json:"unusable,omitempty" doc:"Why it can't, where it can't."`
}

// UploadSummary is an inspection in numbers.
type UploadSummary struct {
	Completeness backup.Completeness `json:"completeness" enum:"proven,unproven,cut" doc:"Whether the file is known to be whole."`
	Tables       int                 `json:"tables" doc:"Tables that it creates or fills."`
	Rows         int64               `json:"rows" doc:"Rows that it brings, as far as its text tells."`
	Hazards      int64               `json:"hazards" doc:"Things in it that must not be run, or can't be."`
}

// UploadDetail is an upload with its inspection.
type UploadDetail struct {
	Upload
	Inspection *Inspection `json:"inspection,omitempty" doc:"What was found in the file, which was read and not run. Absent until inspected."`
}

// Inspection is what an uploaded file was found to hold.
type Inspection struct {
	Engine        backup.EngineKind   `json:"engine,omitempty" enum:"postgres,mysql" doc:"The kind of database server it is for. Absent where the text does not tell."`
	Tool          string              `json:"tool,omitempty" doc:"The program that wrote it. Absent for a script made by hand." example:"pg_dump"`
	ToolVersion   string              `json:"toolVersion,omitempty" doc:"That program's version." example:"15.18"`
	ServerVersion string              `json:"serverVersion,omitempty" doc:"Version of the server that was dumped." example:"15.18"`
	Encoding      string              `json:"encoding,omitempty" doc:"Encoding of the text, as PostgreSQL names it." example:"UTF8"`
	Compressed    bool                `json:"compressed" doc:"Whether the file is compressed."`
	Bytes         int64               `json:"bytes" doc:"Bytes of the file that were read."`
	SQLBytes      int64               `json:"sqlBytes" doc:"Bytes of SQL text in it."`
	Lines         int64               `json:"lines" doc:"Lines of SQL text in it."`
	Completeness  backup.Completeness `json:"completeness" enum:"proven,unproven,cut" doc:"Proven: the end mark of a known tool is there. Unproven: everything closes, but no end mark says that nothing is missing. Cut: it ends inside of something."`
	CutAt         int64               `json:"cutAt,omitempty" doc:"The line where it ends too early. Absent where it does not."`
	CutIn         string              `json:"cutIn,omitempty" doc:"What it ends inside of." example:"the rows of public.grades"`
	FileDatabase  string              `json:"fileDatabase,omitempty" doc:"The name under which the file thinks its database lives. Absent where it names none." example:"school_production"`
	Extensions    []string            `json:"extensions,omitempty" doc:"Extensions that it creates: the first 1,000."`
	Statements    []StatementCount    `json:"statements" doc:"How many statements of each kind it has, in the order of the kinds' names."`
	Tables        []Table             `json:"tables,omitempty" doc:"Tables that it creates or fills, and the rows it brings: at most the first 10,000 of tableCount."`
	TableCount    int                 `json:"tableCount" doc:"Number of tables."`
	Rows          int64               `json:"rows" doc:"Rows in all tables, as far as the text tells."`
	RowsInexact   int64               `json:"rowsInexact,omitempty" doc:"The line from which on the rows can't be told from the text. Absent where they can."`
	Hazards       []Hazard            `json:"hazards,omitempty" doc:"Why the file is refused: the first 100 of hazardCount. Absent for a file that may be restored."`
	HazardCount   int64               `json:"hazardCount,omitempty" doc:"Number of hazards."`
	Ignored       []Skipped           `json:"ignored,omitempty" doc:"Lines that do no harm since they are not run: at most the first 1,000 of ignoredCount."`
	IgnoredCount  int64               `json:"ignoredCount,omitempty" doc:"Number of lines that are not run."`
}

// StatementCount is how many statements of a kind a file has.
type StatementCount struct {
	Kind  string `json:"kind" doc:"The statement's first words." example:"CREATE TABLE"`
	Count int64  `json:"count" doc:"How many."`
}

// Hazard is something in a file that must not be run, or can't be.
type Hazard struct {
	Code string `json:"code" doc:"What kind of hazard it is, for programs." example:"psql_command"`
	Line int64  `json:"line" doc:"Its line in the uncompressed file, from 1."`
	Text string `json:"text" doc:"The statement or command, shortened."`
	Why  string `json:"why" doc:"What it would do."`
	Hint string `json:"hint,omitempty" doc:"What to do about it."`
}

// seen is an upload as callers see it. That it is being inspected at this moment is no state of its own, and one whose file was not
// sent in time is rejected: that follows from the time, so nobody has to write it down.
func seen(u backup.Upload, now time.Time) backup.Upload {
	switch {
	case u.State == backup.Running:
		u.State = backup.Received
	case u.State == backup.Pending && now.After(u.Expires):
		why := backup.FailureOf(&backup.Error{Code: backup.CodeNeverArrived, Text: "The upload was not completed in the time that its link was good for.",
			Hint: "Announce the file again and send it. If it was sent in full, complete this upload."})
		u.State, u.Failure, u.EndedAt = backup.Rejected, &why, u.Expires
	}
	return u
}

// uploadView is the view of an upload as seen returned it.
func uploadView(u backup.Upload, now time.Time, withLog bool) Upload {
	v := Upload{Job: jobView(u.Job, withLog), State: u.State, Filename: u.Filename, Size: u.Size, SHA256: u.SHA256, NeedsAcknowledgement: u.Unproven()}
	if u.File != nil && u.File.SHA256 != "" {
		v.SHA256 = u.File.SHA256
	}
	if u.File == nil {
		v.ExpiresAt = moment(u.Expires)
	} else {
		v.KeptUntil = moment(u.KeptUntil())
	}
	if i := u.Inspection; i != nil {
		v.Summary = &UploadSummary{Completeness: i.Completeness, Tables: len(i.Tables), Rows: backup.TotalRows(i.Tables), Hazards: i.HazardCount}
	}
	v.Usable, v.Unusable = usable(u.Usable(now))
	return v
}

func inspectionView(i *backup.Inspection) *Inspection {
	if i == nil {
		return nil
	}
	v := &Inspection{Engine: i.Engine, Tool: i.Tool, ToolVersion: i.ToolVersion, ServerVersion: i.ServerVersion, Encoding: i.Encoding,
		Compressed: i.Compressed, Bytes: i.Bytes, SQLBytes: i.SQLBytes, Lines: i.Lines, Completeness: i.Completeness, CutAt: i.CutAt, CutIn: i.CutIn,
		FileDatabase: i.Database, TableCount: len(i.Tables), Rows: backup.TotalRows(i.Tables), RowsInexact: i.RowsInexact,
		HazardCount: i.HazardCount, IgnoredCount: i.IgnoredCount}
	left := maxView
	// What one has to act upon comes first: it is short, and what is long must not push it out.
	v.Hazards = fill(&left, i.Hazards, maxRows/10, func(h backup.Hazard) Hazard {
		return Hazard{Code: h.Code, Line: h.Line, Text: short(h.Text), Why: h.Why, Hint: h.Hint}
	})
	v.Statements = fill(&left, statementCounts(i.Statements), maxRows/10, func(s StatementCount) StatementCount { return s })
	v.Extensions = fill(&left, i.Extensions, maxRows/10, short)
	v.Tables = fill(&left, i.Tables, maxRows, tableView)
	v.Ignored = fill(&left, i.Ignored, maxRows/10, func(s backup.Skipped) Skipped { return Skipped{Line: s.Line, Text: short(s.Text), Why: s.Why} })
	return v
}

func statementCounts(byKind map[string]int64) []StatementCount {
	out := make([]StatementCount, 0, len(byKind))
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		out = append(out, StatementCount{Kind: short(kind), Count: byKind[kind]})
	}
	return out
}
