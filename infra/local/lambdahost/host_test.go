package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
)

var bootstrap string

func TestMain(m *testing.M) {
	if binary := os.Getenv("HOST_TO_KILL"); binary != "" {
		hostToKill(binary)
	}
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "lambdahost-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	bootstrap = filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/function")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the test function: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newHost(t *testing.T, o lambdahost.Options, functions ...lambdahost.Function) (*lambdahost.Host, *safeBuffer) {
	t.Helper()
	log := &safeBuffer{}
	o.Log, o.Dir = log, t.TempDir()
	o.Region, o.Endpoint, o.AccessKeyID, o.SecretAccessKey = "eu-central-1", "http://127.0.0.1:1", "local", "local-secret"
	h := lambdahost.New(o)
	t.Cleanup(func() { _ = h.Close() })
	for _, f := range functions {
		if f.Name == "" {
			f.Name = "fn"
		}
		f.Binary, f.Handler, f.MemoryMB = bootstrap, "bootstrap", 256
		if f.Timeout == 0 {
			f.Timeout = 20 * time.Second
		}
		if err := h.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return h, log
}

func invoke(t *testing.T, h *lambdahost.Host, payload string) lambdahost.Result {
	t.Helper()
	r, err := h.Invoke(t.Context(), "fn", []byte(payload))
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	return r
}

func decode[T any](t *testing.T, r lambdahost.Result) T {
	t.Helper()
	var v T
	if r.FunctionError != "" {
		t.Fatalf("the function failed: %s", r.Payload)
	}
	if err := json.Unmarshal(r.Payload, &v); err != nil {
		t.Fatalf("%s: %v", r.Payload, err)
	}
	return v
}

type failure struct {
	ErrorType    string `json:"errorType"`
	ErrorMessage string `json:"errorMessage"`
}

func failureOf(t *testing.T, r lambdahost.Result) failure {
	t.Helper()
	var f failure
	if r.FunctionError != "Unhandled" {
		t.Fatalf("FunctionError is %q, payload %s", r.FunctionError, r.Payload)
	}
	if err := json.Unmarshal(r.Payload, &f); err != nil {
		t.Fatalf("%s: %v", r.Payload, err)
	}
	return f
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 15 seconds: %s", what)
}

func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	// One whose parent was killed before it could be waited for stays as a zombie until init takes it.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestInvoke_WarmInstanceIsUsedAgain(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	type counted struct{ Count, PID int }
	a := decode[counted](t, invoke(t, h, `{"do":"count"}`))
	b := decode[counted](t, invoke(t, h, `{"do":"count"}`))
	if a.PID != b.PID || a.Count != 1 || b.Count != 2 {
		t.Errorf("first %+v, second %+v", a, b)
	}
	if list := h.Instances("fn"); len(list) != 1 || list[0].PID != a.PID || list[0].Invocations != 2 {
		t.Errorf("instances: %+v", list)
	}
}

func TestInvoke_ContextHasDeadlineAndRequestID(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{Timeout: 7 * time.Second})
	r := invoke(t, h, `{"do":"context"}`)
	c := decode[struct {
		Left           float64
		RequestID, ARN string
	}](t, r)
	if c.Left < 5 || c.Left > 7 || c.RequestID != r.RequestID || c.ARN != "arn:aws:lambda:eu-central-1:000000000000:function:fn" {
		t.Errorf("context: %+v, request %s", c, r.RequestID)
	}
}

func TestInvoke_EnvironmentIsLambdasAndNothingOfOurs(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DEVELOPER", "x")
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{Environment: map[string]string{"BUCKET": "b"}})
	env := map[string]string{}
	for _, e := range decode[[]string](t, invoke(t, h, `{"do":"environment"}`)) {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	for k, want := range map[string]string{"BUCKET": "b", "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
		"AWS_ACCESS_KEY_ID": "local", "AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "_HANDLER": "bootstrap",
		"TZ": ":UTC", "PATH": os.Getenv("PATH")} {
		if env[k] != want {
			t.Errorf("%s is %q, want %q", k, env[k], want)
		}
	}
	for _, k := range []string{"SECRET_OF_THE_DEVELOPER", "HOME", "USER"} {
		if v, ok := env[k]; ok {
			t.Errorf("%s=%s went along", k, v)
		}
	}
}

func TestInvoke_ConcurrentCallsGetInstancesOfTheirOwn(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	gate := filepath.Join(t.TempDir(), "gate")
	var wg sync.WaitGroup
	pids := make([]int, 3)
	for i := range pids {
		wg.Go(func() {
			r, err := h.Invoke(context.Background(), "fn", fmt.Appendf(nil, `{"do":"wait","value":%q}`, gate))
			if err == nil {
				err = json.Unmarshal(r.Payload, &pids[i])
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "three at work", func() bool {
		n := 0
		for _, in := range h.Instances("fn") {
			if in.RequestID != "" {
				n++
			}
		}
		return n == 3
	})
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if pids[0] == pids[1] || pids[1] == pids[2] || pids[0] == pids[2] {
		t.Errorf("pids %v", pids)
	}
}

func TestInvoke_ReservedConcurrencyThrottles(t *testing.T) {
	t.Parallel()
	one := 1
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{Reserved: &one})
	gate := filepath.Join(t.TempDir(), "gate")
	done := make(chan error, 1)
	go func() {
		_, err := h.Invoke(context.Background(), "fn", fmt.Appendf(nil, `{"do":"wait","value":%q}`, gate))
		done <- err
	}()
	eventually(t, "one at work", func() bool { l := h.Instances("fn"); return len(l) == 1 && l[0].RequestID != "" })
	if _, err := h.Invoke(t.Context(), "fn", []byte(`{}`)); !errors.Is(err, lambdahost.ErrThrottled) {
		t.Errorf("second call: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestInvoke_CapMakesCallersWait(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{MaxInstances: 1}, lambdahost.Function{})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if r, err := h.Invoke(context.Background(), "fn", []byte(`{"do":"count"}`)); err != nil || r.FunctionError != "" {
				t.Error(err, r)
			}
		})
	}
	wg.Wait()
	if l := h.Instances(""); len(l) != 1 || l[0].Invocations != 5 {
		t.Errorf("instances: %+v", l)
	}
}

func TestInvoke_ErrorsHaveLambdasForm(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	if f := failureOf(t, invoke(t, h, `{"do":"fail","value":"no such thing"}`)); f != (failure{"errorString", "no such thing"}) {
		t.Errorf("%+v", f)
	}
	pid := h.Instances("fn")[0].PID
	if f := failureOf(t, invoke(t, h, `{"do":"panic","value":"oh"}`)); f != (failure{"string", "oh"}) {
		t.Errorf("%+v", f)
	}
	eventually(t, "the process that panicked is gone", func() bool { return gone(pid) })
	r := invoke(t, h, `{"do":"exit","size":7}`)
	want := failure{"Runtime.ExitError", "RequestId: " + r.RequestID + " Error: Runtime exited with error: exit status 7"}
	if f := failureOf(t, r); f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
	if r := invoke(t, h, `{"do":"count"}`); r.FunctionError != "" {
		t.Errorf("after the crash: %s", r.Payload)
	}
}

func TestInvoke_TimeoutKillsTheProcess(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, lambdahost.Options{}, lambdahost.Function{Timeout: time.Second})
	invoke(t, h, `{"do":"count"}`)
	pid := h.Instances("fn")[0].PID
	began := time.Now()
	r := invoke(t, h, `{"do":"hang"}`)
	want := failure{"Sandbox.Timedout", "RequestId: " + r.RequestID + " Error: Task timed out after 1.00 seconds"}
	if f := failureOf(t, r); f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
	if took := time.Since(began); took < time.Second || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if !gone(pid) {
		t.Errorf("process %d is still there", pid)
	}
	if !strings.Contains(log.String(), "fn | "+r.RequestID+" Task timed out after 1.00 seconds") {
		t.Errorf("log: %s", log)
	}
	if r := invoke(t, h, `{"do":"count"}`); r.FunctionError != "" {
		t.Errorf("after the timeout: %s", r.Payload)
	}
}

func TestInvoke_KilledWorkerIsReportedAndReplaced(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	done := make(chan lambdahost.Result, 1)
	go func() {
		r, err := h.Invoke(context.Background(), "fn", []byte(`{"do":"hang"}`))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	eventually(t, "at work", func() bool { l := h.Instances("fn"); return len(l) == 1 && l[0].RequestID != "" })
	if err := syscall.Kill(h.Instances("fn")[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if f := failureOf(t, <-done); f.ErrorType != "Runtime.ExitError" || !strings.HasSuffix(f.ErrorMessage, "Runtime exited with error: signal: killed") {
		t.Errorf("%+v", f)
	}
	// One that is killed while it is idle costs no invocation.
	for range 5 {
		invoke(t, h, `{"do":"count"}`)
		if err := syscall.Kill(h.Instances("fn")[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "its end was seen", func() bool { return len(h.Instances("fn")) == 0 })
		if r := invoke(t, h, `{"do":"count"}`); r.FunctionError != "" {
			t.Errorf("after a kill: %s", r.Payload)
		}
	}
}

func TestInvoke_PayloadLimits(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	ok := `"` + strings.Repeat("x", lambdahost.MaxRequest-2) + `"`
	if r := invoke(t, h, ok); len(r.Payload) != lambdahost.MaxRequest {
		t.Errorf("%d bytes came back: %.100s", len(r.Payload), r.Payload)
	}
	if _, err := h.Invoke(t.Context(), "fn", []byte(ok+" ")); !errors.Is(err, lambdahost.ErrTooLarge) {
		t.Errorf("a byte too many: %v", err)
	}
	if err := h.InvokeAsync("fn", []byte(`"`+strings.Repeat("x", lambdahost.MaxAsyncRequest-1)+`"`)); !errors.Is(err, lambdahost.ErrTooLarge) {
		t.Errorf("an event with a byte too many: %v", err)
	}
	if r := invoke(t, h, fmt.Sprintf(`{"do":"big","size":%d}`, lambdahost.MaxResponse-2)); r.FunctionError != "" {
		t.Errorf("the largest response: %.200s", r.Payload)
	}
	f := failureOf(t, invoke(t, h, fmt.Sprintf(`{"do":"big","size":%d}`, lambdahost.MaxResponse-1)))
	if f != (failure{"Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."}) {
		t.Errorf("%+v", f)
	}
	if r := invoke(t, h, `{"do":"count"}`); r.FunctionError != "" {
		t.Errorf("after it: %s", r.Payload)
	}
}

func TestInvoke_InitFailures(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, lambdahost.Options{InitTimeout: 300 * time.Millisecond},
		lambdahost.Function{Name: "crash", Environment: map[string]string{"START": "crash"}},
		lambdahost.Function{Name: "hang", Environment: map[string]string{"START": "hang"}})
	r, err := h.Invoke(t.Context(), "crash", nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := failureOf(t, r); f.ErrorType != "Runtime.ExitError" || !strings.HasSuffix(f.ErrorMessage, "exit status 3") {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(log.String(), "crash | configuration is wrong\n") {
		t.Errorf("log: %s", log)
	}
	if r, err = h.Invoke(t.Context(), "hang", nil); err != nil {
		t.Fatal(err)
	}
	if f := failureOf(t, r); f.ErrorType != "Sandbox.Timedout" || !strings.HasSuffix(f.ErrorMessage, "Init timed out after 0.30 seconds") {
		t.Errorf("%+v", f)
	}
	if l := h.Instances(""); len(l) != 0 {
		t.Errorf("left behind: %+v", l)
	}
}

func TestInvoke_CallerThatLeavesDoesNotStopTheFunction(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	gate := filepath.Join(t.TempDir(), "gate")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := h.Invoke(ctx, "fn", fmt.Appendf(nil, `{"do":"wait","value":%q}`, gate))
		done <- err
	}()
	eventually(t, "at work", func() bool { l := h.Instances("fn"); return len(l) == 1 && l[0].RequestID != "" })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if l := h.Instances("fn"); len(l) != 1 || l[0].RequestID == "" {
		t.Errorf("it stopped: %+v", l)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "idle again", func() bool { return h.Instances("fn")[0].RequestID == "" })
}
