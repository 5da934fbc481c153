// Package config reads the functions' settings from the environment. It is the only reader of the environment; template.yaml
// is what sets it. Each function has its own type and its own call, so that none asks for a variable that it does not need:
// [API], [Worker], [Schedule], [Janitor].
//
// An error names every variable that is missing or wrong, not just the first one, and never shows a value's content where that
// could be secret.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// The defaults of what may be left out.
const (
	DefaultRoleClaim          = "cognito:groups"
	DefaultLockExpiry         = 45 * time.Second
	DefaultLockBeat           = 10 * time.Second
	DefaultStopBeforeDeadline = 30 * time.Second
	DefaultPostgresBinDirs    = "/usr/lib/postgresql/*/bin"
	DefaultApplyWindow        = time.Hour
	DefaultUndoWindow         = 24 * time.Hour
)

// APISettings are the settings of the api function.
type APISettings struct {
	Bucket        string        // BUCKET: where records and dump files are
	JobsQueueURL  string        // JOBS_QUEUE_URL
	CronKeySecret string        // CRON_KEY_SECRET: ARN or name of the cron key's secret
	CronKeyGrace  time.Duration // CRON_KEY_GRACE: how long the old cron key works after a rotation; 0 is not at all
	RoleClaim     string        // ROLE_CLAIM: the token's claim that lists an operator's roles
	Issuer        string        // ISSUER: URL of the identity provider, for the page
	ClientID      string        // CLIENT_ID: the page's client at the identity provider
	TokenOrigin   string        // TOKEN_ORIGIN: where the provider's token endpoint is, for the page's policy; by default the issuer's origin
	LockExpiry    time.Duration // LOCK_EXPIRY: a lock without a beat for so long is free
	LogLevel      slog.Level    // LOG_LEVEL: debug, info, warn or error
}

// WorkerSettings are the settings of the worker function.
type WorkerSettings struct {
	Bucket             string         // BUCKET
	JobsQueueURL       string         // JOBS_QUEUE_URL
	LockExpiry         time.Duration  // LOCK_EXPIRY
	LockBeat           time.Duration  // LOCK_BEAT: how often a worker confirms its lock
	StopBeforeDeadline time.Duration  // STOP_BEFORE_DEADLINE: the worker stops itself so long before Lambda would
	S3Patience         time.Duration  // S3_PATIENCE: for how long, at most, a call that S3 refuses for the moment is tried again; 0 is what each kind of call deserves
	Processors         int            // from AWS_LAMBDA_FUNCTION_MEMORY_SIZE, which Lambda sets: how many the function has; 0 where it is not set
	PostgresBinDirs    string         // POSTGRES_BIN_DIRS: a glob of the folders that hold pg_dump, one for each major version
	Compression        dumpfile.Level // COMPRESSION: how hard backups are compressed: fast or small
	ApplyWindow        time.Duration  // APPLY_WINDOW: how long the copy of a rehearsal is kept, to be applied
	UndoWindow         time.Duration  // UNDO_WINDOW: how long a database that was replaced is kept; 0 is not at all
	LogLevel           slog.Level     // LOG_LEVEL
}

// ScheduleSettings are the settings of the schedule function.
type ScheduleSettings struct {
	Bucket       string     // BUCKET
	JobsQueueURL string     // JOBS_QUEUE_URL
	Databases    []string   // SCHEDULED_DATABASES: names with commas between; empty stands for all
	LogLevel     slog.Level // LOG_LEVEL
}

// JanitorSettings are the settings of the janitor function.
type JanitorSettings struct {
	Bucket       string        // BUCKET
	JobsQueueURL string        // JOBS_QUEUE_URL
	LockExpiry   time.Duration // LOCK_EXPIRY
	LogLevel     slog.Level    // LOG_LEVEL
}

// API reads the settings of the api function.
func API() (APISettings, error) {
	r := reader{get: os.Getenv}
	s := APISettings{
		Bucket:        r.required("BUCKET"),
		JobsQueueURL:  r.url("JOBS_QUEUE_URL"),
		CronKeySecret: r.required("CRON_KEY_SECRET"),
		CronKeyGrace:  r.duration("CRON_KEY_GRACE", 0, 0, 30*24*time.Hour),
		RoleClaim:     r.optional("ROLE_CLAIM", DefaultRoleClaim),
		Issuer:        r.url("ISSUER"),
		ClientID:      r.required("CLIENT_ID"),
		TokenOrigin:   r.origin("TOKEN_ORIGIN"),
		LockExpiry:    r.lockExpiry(),
		LogLevel:      r.level("LOG_LEVEL"),
	}
	if s.TokenOrigin == "" {
		s.TokenOrigin = s.IssuerOrigin()
	}
	return s, r.err("api")
}

// IssuerOrigin is where the identity provider describes itself.
func (s APISettings) IssuerOrigin() string {
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Worker reads the settings of the worker function.
func Worker() (WorkerSettings, error) {
	r := reader{get: os.Getenv}
	s := WorkerSettings{
		Bucket:             r.required("BUCKET"),
		JobsQueueURL:       r.url("JOBS_QUEUE_URL"),
		LockExpiry:         r.lockExpiry(),
		LockBeat:           r.duration("LOCK_BEAT", DefaultLockBeat, time.Millisecond, time.Hour),
		StopBeforeDeadline: r.duration("STOP_BEFORE_DEADLINE", DefaultStopBeforeDeadline, time.Second, 10*time.Minute),
		S3Patience:         r.duration("S3_PATIENCE", 0, 0, 10*time.Minute),
		Processors:         r.processors(),
		PostgresBinDirs:    r.optional("POSTGRES_BIN_DIRS", DefaultPostgresBinDirs),
		Compression:        r.compression("COMPRESSION"),
		ApplyWindow:        r.duration("APPLY_WINDOW", DefaultApplyWindow, time.Minute, 7*24*time.Hour),
		UndoWindow:         r.duration("UNDO_WINDOW", DefaultUndoWindow, 0, 30*24*time.Hour),
		LogLevel:           r.level("LOG_LEVEL"),
	}
	if _, err := filepath.Match(s.PostgresBinDirs, ""); err != nil {
		r.fail("POSTGRES_BIN_DIRS", "is not a valid pattern")
	}
	// One beat may be lost or late without losing the lock.
	if s.LockBeat > 0 && s.LockExpiry > 0 && s.LockBeat*2 >= s.LockExpiry {
		r.fail("LOCK_BEAT", fmt.Sprintf("is %s, which must be less than half of LOCK_EXPIRY (%s)", s.LockBeat, s.LockExpiry))
	}
	return s, r.err("worker")
}

// memoryPerProcessor is the memory, in MiB, at which Lambda gives a function one more processor:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
const memoryPerProcessor = 1769

// processors is how many processors Lambda gives to a function of this memory: a part of one counts as one.
func (r *reader) processors() int {
	text := r.optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
	if text == "" {
		return 0
	}
	memory, err := strconv.Atoi(text)
	if err != nil || memory < 1 {
		r.fail("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "is not a number of MiB")
		return 0
	}
	return (memory + memoryPerProcessor - 1) / memoryPerProcessor
}

// Schedule reads the settings of the schedule function.
func Schedule() (ScheduleSettings, error) {
	r := reader{get: os.Getenv}
	s := ScheduleSettings{
		Bucket:       r.required("BUCKET"),
		JobsQueueURL: r.url("JOBS_QUEUE_URL"),
		Databases:    r.databases("SCHEDULED_DATABASES"),
		LogLevel:     r.level("LOG_LEVEL"),
	}
	return s, r.err("schedule")
}

// Janitor reads the settings of the janitor function.
func Janitor() (JanitorSettings, error) {
	r := reader{get: os.Getenv}
	s := JanitorSettings{
		Bucket:       r.required("BUCKET"),
		JobsQueueURL: r.url("JOBS_QUEUE_URL"),
		LockExpiry:   r.lockExpiry(),
		LogLevel:     r.level("LOG_LEVEL"),
	}
	return s, r.err("janitor")
}

// reader reads variables and gathers what is wrong with them.
type reader struct {
	get    func(string) string
	errors []error
}

func (r *reader) fail(name, what string) {
	r.errors = append(r.errors, fmt.Errorf("%s %s", name, what))
}

func (r *reader) err(function string) error {
	if len(r.errors) == 0 {
		return nil
	}
	return fmt.Errorf("read settings of %s: %w", function, errors.Join(r.errors...))
}

func (r *reader) required(name string) string {
	v := strings.TrimSpace(r.get(name))
	if v == "" {
		r.fail(name, "is not set")
	}
	return v
}

func (r *reader) optional(name, otherwise string) string {
	if v := strings.TrimSpace(r.get(name)); v != "" {
		return v
	}
	return otherwise
}

func (r *reader) url(name string) string {
	v := r.required(name)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		r.fail(name, "is not an http or https URL")
	}
	return v
}

// origin reads a URL that has nothing behind its host; it may be left out.
func (r *reader) origin(name string) string {
	v := r.optional(name, "")
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || v != u.Scheme+"://"+u.Host {
		r.fail(name, "is not an origin such as https://sign-in.example.com, without a path or a slash at its end")
	}
	return v
}

func (r *reader) duration(name string, otherwise, low, high time.Duration) time.Duration {
	v := r.optional(name, "")
	if v == "" {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		r.fail(name, fmt.Sprintf("is %q, which is not a duration such as 30s or 10m", v))
		return otherwise
	}
	if d < low || d > high {
		r.fail(name, fmt.Sprintf("is %s, which is not between %s and %s", d, low, high))
	}
	return d
}

func (r *reader) lockExpiry() time.Duration {
	return r.duration("LOCK_EXPIRY", DefaultLockExpiry, 100*time.Millisecond, time.Hour)
}

func (r *reader) level(name string) slog.Level {
	v := r.optional(name, "info")
	var l slog.Level
	if err := l.UnmarshalText([]byte(v)); err != nil {
		r.fail(name, fmt.Sprintf("is %q, which is none of debug, info, warn, error", v))
	}
	return l
}

func (r *reader) compression(name string) dumpfile.Level {
	v := r.optional(name, "fast")
	switch v {
	case "fast":
		return dumpfile.Fast
	case "small":
		return dumpfile.Small
	}
	r.fail(name, fmt.Sprintf("is %q, which is none of fast, small", v))
	return dumpfile.Fast
}

func (r *reader) databases(name string) []string {
	var names []string
	for part := range strings.SplitSeq(r.get(name), ",") {
		part = strings.TrimSpace(part)
		switch {
		case part == "":
		case !backup.ValidDatabaseName(part):
			r.fail(name, fmt.Sprintf("names %q, which can't be a database: use lower-case letters, digits, - and _", part))
		default:
			names = append(names, part)
		}
	}
	return names
}
