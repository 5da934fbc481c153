package pgcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Where packagers put the server's programs: Debian, the PostgreSQL project's RPMs, Homebrew on Apple silicon, on Intel,
// Postgres.app.
var binaryGlobs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// ErrNoServer says that this machine has no PostgreSQL server.
var ErrNoServer = errors.New("no PostgreSQL server is installed on this machine: on Debian or Ubuntu, apt-get install postgresql; " +
	"on macOS, brew install postgresql@17")

type binaries struct {
	dir   string
	major int
}

// FindBinaries returns the folder with the programs of the newest PostgreSQL server on this machine and its major version,
// or ErrNoServer.
func FindBinaries() (dir string, major int, err error) {
	all := findAll()
	if len(all) == 0 {
		return "", 0, ErrNoServer
	}
	return all[0].dir, all[0].major, nil
}

// findAll returns all servers, the newest first.
func findAll() []binaries {
	var dirs []string
	for _, glob := range binaryGlobs {
		found, _ := filepath.Glob(glob) // the only error is a bad pattern
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var all []binaries
	for _, dir := range dirs {
		if major, err := serverMajor(dir); err == nil {
			all = append(all, binaries{dir, major})
		}
	}
	slices.SortStableFunc(all, func(a, b binaries) int { return b.major - a.major })
	return all
}

// chooseBinaries returns the programs to run data with: data of one major version can't be used by another's.
func chooseBinaries(wanted, data string) (dir string, major int, err error) {
	have, err := dataMajor(data)
	if err != nil {
		return "", 0, err
	}
	all := findAll()
	if wanted != "" {
		major, err := serverMajor(wanted)
		if err != nil {
			return "", 0, err
		}
		all = []binaries{{wanted, major}}
	}
	if len(all) == 0 {
		return "", 0, ErrNoServer
	}
	if have == 0 {
		return all[0].dir, all[0].major, nil
	}
	var here []string
	for _, b := range all {
		if b.major == have {
			return b.dir, b.major, nil
		}
		here = append(here, strconv.Itoa(b.major))
	}
	return "", 0, fmt.Errorf("the data in %s were made by PostgreSQL %d, and this machine has %s: install PostgreSQL %d, or remove %s to begin anew",
		data, have, strings.Join(here, ", "), have, filepath.Dir(data))
}

// dataMajor is the major version that made a data folder, 0 where there is none.
func dataMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of the PostgreSQL data: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read version of the PostgreSQL data in %s: %q is no version", data, text)
	}
	return major, nil
}

// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

func serverMajor(dir string) (int, error) {
	path := filepath.Join(dir, "postgres")
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("ask %s for its version: it said %q", path, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0, fmt.Errorf("find initdb of %s: %w", path, err)
	}
	return strconv.Atoi(string(m[1]))
}
