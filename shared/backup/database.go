package backup

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
)

// EngineKind is the kind of a database server.
type EngineKind string

// The engines.
const (
	Postgres EngineKind = "postgres"
	MySQL    EngineKind = "mysql"
)

// Database is a registered target. It is found by its secret; the secret's content is not part of it.
type Database struct {
	Name   string     `json:"name"`   // short name, such as school: see ValidDatabaseName
	Engine EngineKind `json:"engine"` // from the secret's tag; postgres where there is none
	Secret string     `json:"-"`      // ARN of the secret
}

// A database's short name becomes a segment of object keys, so its form is narrow.
var databaseName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*$`)

// ValidDatabaseName reports whether s may name a database: at most 63 lower-case letters, digits, - and _, with single dots
// inside.
func ValidDatabaseName(s string) bool { return len(s) <= 63 && databaseName.MatchString(s) }

// Sensitive is a text that must not be seen: it prints, logs and marshals as "[redacted]".
type Sensitive string

const redacted = "[redacted]"

// String is what fmt prints by %s and %v.
func (Sensitive) String() string { return redacted }

// GoString is what fmt prints by %#v.
func (Sensitive) GoString() string { return redacted }

// LogValue is what slog writes.
func (Sensitive) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is what encoding/json writes.
func (Sensitive) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Reveal returns the text itself, for the one place that needs it.
func (s Sensitive) Reveal() string { return string(s) }

// Credentials are the content of a database's secret, in the shape that RDS uses, with optional fields of ours.
type Credentials struct {
	Engine   string    `json:"engine"`
	Host     string    `json:"host"`
	Port     int       `json:"port"`
	Username string    `json:"username"`
	Password Sensitive `json:"password"`
	DBName   string    `json:"dbname"` // the database on the server; it may differ from the short name
	SSLMode  string    `json:"sslmode,omitempty"`

	// MaintenanceDatabase is the database to connect to while the target itself is renamed; "postgres" where empty.
	MaintenanceDatabase string `json:"maintenanceDatabase,omitempty"`
	// RestoreUsername and RestorePassword are a login prepared for loading restores: it owns nothing but staged copies.
	RestoreUsername string    `json:"restoreUsername,omitempty"`
	RestorePassword Sensitive `json:"restorePassword,omitempty"`
	// StorageBytes is the size of the disk that the server keeps its databases on; 0 where not known. No server tells a client.
	StorageBytes int64 `json:"storageBytes,omitempty"`
	// Connections is how many sessions may read or load the database at the same time; 0 is the engine's default.
	Connections int `json:"connections,omitempty"`
}

// MaxConnections is the most that a secret may ask for.
const MaxConnections = 32

// ParseCredentials reads a secret's text. An error names the field and never its value.
func ParseCredentials(text []byte) (Credentials, error) {
	// RDS writes the port as a number, people who fill in secrets by hand as a string; so with sizes.
	var raw struct {
		Credentials
		Port         json.RawMessage `json:"port"`
		StorageBytes json.RawMessage `json:"storageBytes"`
		Connections  json.RawMessage `json:"connections"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		// The cause of a JSON error can quote the text, which is secret.
		return Credentials{}, fmt.Errorf("parse secret: it is not a JSON object with engine, host, port, username, password, dbname")
	}
	c := raw.Credentials
	if len(raw.StorageBytes) > 0 {
		size, err := number(raw.StorageBytes)
		if err != nil || size < 1 {
			return Credentials{}, fmt.Errorf("parse secret: storageBytes is not a number of bytes, such as 107374182400 for 100 GiB")
		}
		c.StorageBytes = size
	}
	if len(raw.Connections) > 0 {
		n, err := number(raw.Connections)
		if err != nil || n < 1 || n > MaxConnections {
			return Credentials{}, fmt.Errorf("parse secret: connections is not a number between 1 and %d", MaxConnections)
		}
		c.Connections = int(n)
	}
	if len(raw.Port) > 0 {
		port, err := number(raw.Port)
		if err != nil || port < 1 || port > 65535 {
			return Credentials{}, fmt.Errorf("parse secret: port is not a number between 1 and 65535")
		}
		c.Port = int(port)
	} else if kind, _ := EngineOf(c.Engine); kind == MySQL {
		c.Port = 3306
	} else {
		c.Port = 5432
	}
	for _, f := range []struct{ name, value string }{
		{"engine", c.Engine}, {"host", c.Host}, {"username", c.Username}, {"dbname", c.DBName},
	} {
		if f.value == "" {
			return Credentials{}, fmt.Errorf("parse secret: %s is missing", f.name)
		}
	}
	return c, nil
}

// number reads a whole number that is written as one, or as a string.
func number(raw json.RawMessage) (int64, error) {
	s := string(raw)
	if unquoted, err := strconv.Unquote(s); err == nil {
		s = unquoted
	}
	return strconv.ParseInt(s, 10, 64)
}

// Target is a database together with what is needed to connect to it. It lives in a worker's memory only.
type Target struct {
	Database
	Credentials Credentials
}

// EngineOf maps an engine's name as RDS and people write it. The second result is false for one that is not known.
func EngineOf(name string) (EngineKind, bool) {
	switch name {
	case "postgres", "postgresql", "aurora-postgresql":
		return Postgres, true
	case "mysql", "mariadb", "aurora-mysql", "aurora":
		return MySQL, true
	}
	return "", false
}
