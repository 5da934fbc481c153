// Package e2e holds the tests of the whole: the functions' real binaries behind the real protocols, a real PostgreSQL
// server, and callers that know no more than the HTTP API.
//
// All tests share one stack and one server; each works on databases of its own.
package e2e
