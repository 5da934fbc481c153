package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The roles, as a token names them.
const (
	superAdmin = "super-admin"
	operator   = "operator"
	auditor    = "auditor"
)

func (w *world) token(t *testing.T, role string) string {
	t.Helper()
	token, err := w.stack.Token("Kim "+role, role, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// request is a call of the API. The zero method is GET.
type request struct {
	method, path string
	role         string // "" for no token
	token        string // instead of a role's
	body         any    // a string as it is, anything else as JSON
	header       map[string]string
}

type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do calls the API. A call that is throttled is made again, as a script would.
func (w *world) do(t *testing.T, r request) answer {
	t.Helper()
	for {
		a := w.once(t, r)
		if a.status != http.StatusTooManyRequests {
			return a
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func (w *world) once(t *testing.T, r request) answer {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, w.stack.URL()+r.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.role != "" {
		r.token = w.token(t, r.role)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{t: t, what: fmt.Sprintf("%s %s as %q", r.method, r.path, r.role), status: res.StatusCode, header: res.Header, body: text}
}

// want checks the status and, where one is given, the problem's code.
func (a answer) want(status int, code ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %s", a.what, a.status, status, a.body)
	}
	if len(code) == 0 {
		return a
	}
	var p struct{ Code, Detail, RequestID string }
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	if p.Code != code[0] || p.Detail == "" || p.RequestID == "" {
		a.t.Fatalf("%s: problem %s, want code %s, a detail and a request id", a.what, a.body, code[0])
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: Content-Type of a problem is %q", a.what, got)
	}
	return a
}

func into[T any](a answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return v
}

// job is a backup or a restore as the API shows it, as far as these tests look.
type job struct {
	ID, Database, State, Filename string
	RequestedAt, StartedAt        time.Time
	RequestedBy                   struct{ Kind, Name string }
	Attempt                       int
	Failure                       *struct{ Code, Reason, Hint, Log string }
	Progress                      *struct {
		Stage, Table            string
		TablesDone              int
		Rows, Bytes, BytesTotal int64
	}
	Size, SQLBytes, Rows, TableCount int64
	SHA256                           string
	Usable                           bool
	LastRehearsalAt                  time.Time
	Tables                           []struct {
		Schema, Table string
		Rows          int64
	}

	DryRun                               bool
	DowntimeSeconds, UndoDowntimeSeconds float64
	Held                                 *struct {
		Name  string
		Bytes int64
		Until time.Time
	}
	Rescue *struct {
		Schema, Drop string
		Tables       []struct {
			Name, As, BringBack string
			Rows                int64
		}
	}
	FollowUp *struct {
		ID, Kind, State string
		Attempt         int
		StartedAt       time.Time
		Failure         *struct{ Code, Reason, Hint string }
	}
	WaitingFor *struct {
		Before  int
		Running struct{ ID, Kind string }
	}
	Summary *struct{ Tables, Changed, Rows, Skipped, ByHand int64 }
	Report  *struct {
		Tables []struct {
			Schema, Table string
			Live, After   int64
		}
		Skipped []struct{ Text, Why string }
		ByHand  []string
		Loader  string
		Stages  []struct{ Stage string }
		Objects []struct{ Kind, Name, Change string }

		Unproven     bool
		FileDatabase string
		RealSeconds  float64
		Warnings     []string
	}
}

type page struct {
	Items []job
	Next  string
}

// ended reports whether nothing is done with a job any more, what follows a restore included.
func (j job) ended() bool {
	open := func(state string) bool {
		return slices.Contains([]string{"queued", "running", "pending", "received"}, state)
	}
	return !open(j.State) && (j.FollowUp == nil || !open(j.FollowUp.State))
}

// backup starts a backup of a database and waits for its end.
func (w *world) backup(t *testing.T, database string) job {
	t.Helper()
	path := "/api/databases/" + database + "/backups"
	b := into[job](w.do(t, request{method: "POST", path: path, role: operator}).want(202))
	return w.await(t, path+"/"+b.ID, nil)
}

// restore starts a restore and waits for its end.
func (w *world) restore(t *testing.T, database string, body map[string]any) job {
	t.Helper()
	path := "/api/databases/" + database + "/restores"
	r := into[job](w.do(t, request{method: "POST", path: path, role: superAdmin, body: body}).want(202))
	return w.await(t, path+"/"+r.ID, nil)
}

// patience is for one job, on a machine that has other things to do as well.
const patience = 90 * time.Second

// await asks for a record until its job has ended, and shows each answer to look.
func (w *world) await(t *testing.T, path string, look func(job)) job {
	t.Helper()
	token := w.token(t, auditor)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		j := into[job](w.do(t, request{path: path, token: token}).want(200))
		if look != nil {
			look(j)
		}
		if j.ended() {
			return j
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still %s after %s", path, j.State, patience)
		}
	}
}

func (j job) wantState(t *testing.T, state string) job {
	t.Helper()
	if j.State != state {
		t.Fatalf("%s of %s is %s, want %s: %+v", j.ID, j.Database, j.State, state, j.Failure)
	}
	return j
}

// wantFailed checks that a job failed in a way that an operator understands.
func (j job) wantFailed(t *testing.T, code string) job {
	t.Helper()
	j.wantState(t, "failed")
	if j.Failure == nil || j.Failure.Code != code || j.Failure.Reason == "" || j.Failure.Hint == "" {
		t.Fatalf("%s of %s failed with %+v, want code %s, a reason and a hint", j.ID, j.Database, j.Failure, code)
	}
	if j.Usable || j.SHA256 != "" {
		t.Errorf("a failed backup is offered for use: %+v", j)
	}
	return j
}
