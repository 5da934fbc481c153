package config

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// complete is an environment with which every function can start.
func complete() map[string]string {
	return map[string]string{
		"BUCKET":          "school-backups",
		"JOBS_QUEUE_URL":  "http://127.0.0.1:8081/000000000000/jobs",
		"CRON_KEY_SECRET": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:cron-key",
		"ISSUER":          "http://127.0.0.1:8082",
		"CLIENT_ID":       "console",

		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
	}
}

// setAll sets the environment to env alone; a variable of the machine that runs the test must not help.
func setAll(t *testing.T, env map[string]string) {
	t.Helper()
	for _, name := range []string{"BUCKET", "JOBS_QUEUE_URL", "CRON_KEY_SECRET", "CRON_KEY_GRACE", "ROLE_CLAIM", "ISSUER", "CLIENT_ID", "TOKEN_ORIGIN",
		"LOG_LEVEL", "LOCK_EXPIRY", "LOCK_BEAT", "STOP_BEFORE_DEADLINE", "S3_PATIENCE", "POSTGRES_BIN_DIRS", "COMPRESSION", "APPLY_WINDOW", "UNDO_WINDOW",
		"SCHEDULED_DATABASES", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"} {
		t.Setenv(name, env[name])
	}
}

func TestDefaults(t *testing.T) {
	setAll(t, complete())
	api, err := API()
	if err != nil {
		t.Fatal(err)
	}
	wantAPI := APISettings{
		Bucket: "school-backups", JobsQueueURL: "http://127.0.0.1:8081/000000000000/jobs",
		CronKeySecret: "arn:aws:secretsmanager:eu-central-1:000000000000:secret:cron-key",
		RoleClaim:     "cognito:groups", Issuer: "http://127.0.0.1:8082", ClientID: "console", TokenOrigin: "http://127.0.0.1:8082", LockExpiry: 45 * time.Second, LogLevel: slog.LevelInfo,
	}
	if api != wantAPI {
		t.Errorf("API() = %+v, want %+v", api, wantAPI)
	}
	worker, err := Worker()
	if err != nil {
		t.Fatal(err)
	}
	wantWorker := WorkerSettings{
		Bucket: "school-backups", JobsQueueURL: "http://127.0.0.1:8081/000000000000/jobs", LockExpiry: 45 * time.Second, LockBeat: 10 * time.Second,
		StopBeforeDeadline: 30 * time.Second, Processors: 2, PostgresBinDirs: "/usr/lib/postgresql/*/bin", ApplyWindow: time.Hour, UndoWindow: 24 * time.Hour,
	}
	if worker != wantWorker {
		t.Errorf("Worker() = %+v, want %+v", worker, wantWorker)
	}
	schedule, err := Schedule()
	if err != nil {
		t.Fatal(err)
	}
	if schedule.Databases != nil {
		t.Errorf("Databases = %q, want none, which stands for all", schedule.Databases)
	}
	if _, err := Janitor(); err != nil {
		t.Error(err)
	}
}

func TestGivenValues(t *testing.T) {
	env := complete()
	env["CRON_KEY_GRACE"], env["LOCK_EXPIRY"], env["LOCK_BEAT"], env["LOG_LEVEL"] = "10m", "2s", "500ms", "debug"
	env["SCHEDULED_DATABASES"], env["ROLE_CLAIM"] = " school, chinook ,", "groups"
	env["APPLY_WINDOW"], env["UNDO_WINDOW"], env["COMPRESSION"] = "10m", "0h", "small"
	env["ISSUER"], env["TOKEN_ORIGIN"] = "https://issuer.example/pool/1", "https://tokens.example:444"
	setAll(t, env)
	api, err := API()
	if err != nil {
		t.Fatal(err)
	}
	if api.CronKeyGrace != 10*time.Minute || api.RoleClaim != "groups" || api.LogLevel != slog.LevelDebug || api.LockExpiry != 2*time.Second {
		t.Errorf("API() = %+v", api)
	}
	if api.IssuerOrigin() != "https://issuer.example" || api.TokenOrigin != "https://tokens.example:444" {
		t.Errorf("origins %q and %q", api.IssuerOrigin(), api.TokenOrigin)
	}
	worker, err := Worker()
	if err != nil {
		t.Fatal(err)
	}
	if worker.LockBeat != 500*time.Millisecond || worker.ApplyWindow != 10*time.Minute || worker.UndoWindow != 0 || worker.Compression != dumpfile.Small {
		t.Errorf("Worker() = %+v", worker)
	}
	schedule, err := Schedule()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"school", "chinook"}; !reflect.DeepEqual(schedule.Databases, want) {
		t.Errorf("Databases = %q, want %q", schedule.Databases, want)
	}
}

func TestErrorsNameTheVariable(t *testing.T) {
	api := func() error { _, err := API(); return err }
	worker := func() error { _, err := Worker(); return err }
	schedule := func() error { _, err := Schedule(); return err }
	janitor := func() error { _, err := Janitor(); return err }
	tests := []struct {
		name, value string
		read        func() error
	}{
		{"BUCKET", "", api}, {"BUCKET", " ", worker}, {"BUCKET", "", schedule}, {"BUCKET", "", janitor},
		{"JOBS_QUEUE_URL", "", api}, {"JOBS_QUEUE_URL", "jobs", worker}, {"JOBS_QUEUE_URL", "ftp://x/y", schedule}, {"JOBS_QUEUE_URL", "https://", janitor},
		{"CRON_KEY_SECRET", "", api}, {"CRON_KEY_GRACE", "5", api}, {"CRON_KEY_GRACE", "-1s", api}, {"ISSUER", "", api}, {"ISSUER", "issuer", api},
		{"TOKEN_ORIGIN", "tokens.example", api}, {"TOKEN_ORIGIN", "https://tokens.example/", api}, {"TOKEN_ORIGIN", "https://tokens.example/oauth2/token", api},
		{"TOKEN_ORIGIN", "https://a@tokens.example", api}, {"TOKEN_ORIGIN", "ftp://tokens.example", api},
		{"CLIENT_ID", "", api}, {"LOG_LEVEL", "loud", api}, {"LOG_LEVEL", "loud", worker}, {"LOCK_EXPIRY", "0s", api}, {"LOCK_EXPIRY", "soon", janitor},
		{"LOCK_BEAT", "30s", worker}, {"LOCK_BEAT", "-1s", worker}, {"STOP_BEFORE_DEADLINE", "1h", worker}, {"S3_PATIENCE", "-1s", worker}, {"POSTGRES_BIN_DIRS", "[", worker}, {"COMPRESSION", "hard", worker},
		{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "lots", worker}, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0", worker},
		{"SCHEDULED_DATABASES", "school,../x", schedule}, {"APPLY_WINDOW", "59s", worker}, {"APPLY_WINDOW", "169h", worker},
		{"UNDO_WINDOW", "-1h", worker}, {"UNDO_WINDOW", "721h", worker},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := complete()
			env[tt.name] = tt.value
			setAll(t, env)
			err := tt.read()
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.name+" ") {
				t.Errorf("error %q does not name %s", err, tt.name)
			}
		})
	}
}

func TestErrorNamesEveryVariable(t *testing.T) {
	setAll(t, nil)
	_, err := API()
	for _, name := range []string{"BUCKET", "JOBS_QUEUE_URL", "CRON_KEY_SECRET", "ISSUER", "CLIENT_ID"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
}
