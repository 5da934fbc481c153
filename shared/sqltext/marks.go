package sqltext

import "strings"

// Header is what the comments at the head of a dump by pg_dump or pg_dumpall say. Its texts are "" where they don't.
type Header struct {
	Known         bool   // the text begins as a dump of one of the two
	Cluster       bool   // by pg_dumpall: of a whole server
	ServerVersion string // such as "15.18 (Debian 15.18-0+deb12u1)"
	ToolVersion   string // of pg_dump
}

// marks are what line comments between the statements tell.
type marks struct {
	header  Header
	started bool // a statement was seen, so the head is over
	end     int64
}

// The comments of pg_dump and pg_dumpall, which have been the same since version 8.
const (
	headDatabase = "-- PostgreSQL database dump"
	headCluster  = "-- PostgreSQL database cluster dump"
	endDatabase  = "-- PostgreSQL database dump complete"
	endCluster   = "-- PostgreSQL database cluster dump complete"
	fromVersion  = "-- Dumped from database version "
	byVersion    = "-- Dumped by pg_dump version "
	maxNote      = 256 // bytes of a line comment that are looked at
)

// Header is what the comments so far, before the first statement, say of where the dump comes from.
func (s *Scanner) Header() Header { return s.marks.header }

// EndMark reports whether the mark with which pg_dump ends a complete dump was seen, and in which line. After it there
// was nothing but blank lines, comments and \unrestrict. In a dump by pg_dumpall only the cluster's mark counts.
func (s *Scanner) EndMark() (line int64, ok bool) { return s.marks.end, s.marks.end > 0 }

// note looks at the line comment that begins here, if one does. It reads ahead only.
func (s *Scanner) note() {
	if s.at(0) != '-' || s.at(1) != '-' {
		return
	}
	n := 2
	for c := s.at(n); c != 0 && c != '\n' && c != '\r' && n < maxNote; c = s.at(n) {
		n++
	}
	s.marks.comment(strings.TrimRight(string(s.buf[s.pos:s.pos+n]), " \t"), s.statement.line)
}

// comment takes in a line comment between two statements.
func (m *marks) comment(text string, line int64) {
	if text == endCluster || text == endDatabase && !m.header.Cluster {
		m.end = line
	}
	if m.started {
		return
	}
	switch h := &m.header; {
	case text == headDatabase:
		h.Known = true
	case text == headCluster:
		h.Known, h.Cluster = true, true
	case strings.HasPrefix(text, fromVersion):
		h.ServerVersion = text[len(fromVersion):]
	case strings.HasPrefix(text, byVersion):
		h.ToolVersion = text[len(byVersion):]
	}
}

// seen takes in an item.
func (m *marks) seen(item Item) {
	if item.Kind == Meta {
		if MetaName(item.Text) != "unrestrict" || item.Inside {
			m.end = 0
		}
		return
	}
	m.started, m.end = true, 0
}
