package postgres

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// tool is a pg_dump.
type tool struct {
	path    string
	version string // as it says: 15.18
	major   int
	minor   int
}

var toolVersion = regexp.MustCompile(`\(PostgreSQL\) ((\d+)(?:\.(\d+))?\S*)`)

// tools finds the pg_dump programs of this machine. One that can't say its version is left out.
func (e *Engine) tools(ctx context.Context) ([]tool, error) {
	paths, err := filepath.Glob(filepath.Join(e.binDirs, "pg_dump"))
	if err != nil {
		return nil, fmt.Errorf("find pg_dump in %s: %w", e.binDirs, err)
	}
	var found []tool
	for _, path := range paths {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		cmd := exec.CommandContext(ctx, path, "--version")
		cmd.Env, cmd.WaitDelay = []string{"LC_ALL=C"}, time.Second
		out, err := cmd.Output()
		cancel()
		m := toolVersion.FindStringSubmatch(string(out))
		if err != nil || m == nil {
			e.log.WarnContext(ctx, "pg_dump did not say its version", "path", path, "error", err)
			continue
		}
		major, _ := strconv.Atoi(m[2])
		minor, _ := strconv.Atoi(m[3])
		found = append(found, tool{path: path, version: m[1], major: major, minor: minor})
	}
	return found, nil
}

// choose takes the pg_dump of the server's own major version, else the next newer one. pg_dump can read older servers, never
// newer ones; and a newer one writes settings that the server it came from does not know.
func choose(found []tool, s server) (tool, error) {
	var best tool
	for _, t := range found {
		if t.major < s.major() {
			continue
		}
		if best.path == "" || t.major < best.major || t.major == best.major && t.minor > best.minor {
			best = t
		}
	}
	if best.path != "" {
		return best, nil
	}
	if len(found) == 0 {
		return tool{}, &backup.Error{Code: backup.CodeToolTooOld,
			Text: fmt.Sprintf("The server is PostgreSQL %s, and there is no pg_dump on the worker.", s.text),
			Hint: fmt.Sprintf("Add the client programs of PostgreSQL %d to the worker's image.", s.major())}
	}
	versions := make([]string, 0, len(found))
	for _, t := range found {
		versions = append(versions, t.version)
	}
	return tool{}, &backup.Error{Code: backup.CodeToolTooOld,
		Text: fmt.Sprintf("The server is PostgreSQL %s, but the worker's newest pg_dump is %s: it can't read a newer server.", s.text, newest(found).version),
		Hint: fmt.Sprintf("Add the client programs of PostgreSQL %d to the worker's image. It has: %s.", s.major(), strings.Join(versions, ", "))}
}

func newest(found []tool) (n tool) {
	for _, t := range found {
		if t.major > n.major || t.major == n.major && t.minor >= n.minor {
			n = t
		}
	}
	return n
}
