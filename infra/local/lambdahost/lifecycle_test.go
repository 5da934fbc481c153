package lambdahost_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
)

func TestInvokeAsync_RetriesAsOftenAsAsked(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]int{0: 1, 2: 3} {
		t.Run(strconv.Itoa(retries), func(t *testing.T) {
			t.Parallel()
			h, log := newHost(t, lambdahost.Options{RetryDelays: []time.Duration{time.Millisecond}}, lambdahost.Function{AsyncRetries: retries})
			file := filepath.Join(t.TempDir(), "tries")
			if err := h.InvokeAsync("fn", fmt.Appendf(nil, `{"do":"append","value":%q}`, file)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "dropped", func() bool { return strings.Contains(log.String(), "event dropped") })
			if text, _ := os.ReadFile(file); strings.Count(string(text), "tried") != want {
				t.Errorf("tries: %q, want %d", text, want)
			}
		})
	}
}

func TestLog_LinesBearTheFunctionsNameAndReportsWhereAsked(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, lambdahost.Options{Reports: true}, lambdahost.Function{Label: "ApiFunction"})
	r := invoke(t, h, `{"do":"print","value":"a line"}`)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ApiFunction | a line\n", "ApiFunction | without an end\n", "ApiFunction | START RequestId: " + r.RequestID,
		"ApiFunction | END RequestId: " + r.RequestID, "ApiFunction | REPORT RequestId: " + r.RequestID + " Duration: ", "Memory Size: 256 MB Max Memory Used: ", " Init Duration: "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in:\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), "Max Memory Used: 0 MB") {
		t.Errorf("memory was not measured: %s", log)
	}
}

func TestClose_LeavesNoProcess(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	orphan := decode[int](t, invoke(t, h, `{"do":"orphan"}`))
	pid := h.Instances("fn")[0].PID
	if gone(orphan) {
		t.Fatal("the child is not running")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Errorf("instance %d is still there", pid)
	}
	eventually(t, "the instance's child is gone", func() bool { return gone(orphan) })
	if _, err := h.Invoke(t.Context(), "fn", nil); !errors.Is(err, lambdahost.ErrClosed) {
		t.Errorf("invoke after close: %v", err)
	}
}

func TestControl_ListsInstancesAndInvokes(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, lambdahost.Options{}, lambdahost.Function{})
	s := httptest.NewServer(h.Control())
	defer s.Close()
	res, err := http.Post(s.URL+"/_local/functions/fn/invocations", "application/json", strings.NewReader(`{"do":"count"}`))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res)
	}
	_ = res.Body.Close()
	if res, err = http.Get(s.URL + "/_local/instances?function=fn"); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var list []lambdahost.Instance
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list) != 1 || list[0].PID != h.Instances("fn")[0].PID {
		t.Errorf("%v %+v", err, list)
	}
	if res, err := http.Post(s.URL+"/_local/functions/fn/invocations", "text/plain", strings.NewReader(`{}`)); err != nil || res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a web page's form gets %v %v", res.Status, err)
	}
}

// hostToKill is the child of TestHost_KilledByForceTakesItsFunctionsAlong.
func hostToKill(binary string) {
	h := lambdahost.New(lambdahost.Options{})
	err := h.Add(lambdahost.Function{Name: "fn", Binary: binary, Timeout: time.Hour})
	if err == nil {
		// One that sleeps: one that waits for its next event would end by itself when it finds nobody there.
		err = h.InvokeAsync("fn", []byte(`{"do":"hang"}`))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		if l := h.Instances("fn"); len(l) == 1 && l[0].RequestID != "" {
			fmt.Println(l[0].PID)
			select {}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestHost_KilledByForceTakesItsFunctionsAlong(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process of its parent's death")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HOST_TO_KILL="+bootstrap, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	if gone(pid) {
		t.Fatal("the function is not running")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "the function is gone", func() bool { return gone(pid) })
}
