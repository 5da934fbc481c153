// Command local runs the product on this machine.
//
//	local up [flags]      PostgreSQL with the demo database, the AWS protocols, the functions, the API; until Ctrl-C
//	local exec -- command the same for the time of a command, in a folder of its own that is removed after it
//	local token -role R   prints a bearer token for scripts
//
// For demos and tests of a stack that runs, on this machine only:
//
//	local seed            writes the records of a long history of backups, without files
//	local sql STATEMENTS  runs statements in a registered database, to damage or to look at it
//	local copy -as NAME   copies the demo database and registers the copy
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `usage: local up|exec|token|seed|sql|copy [flags] [argument ...]
Each tells its flags with -h: local token -h.
`

// run does what the arguments ask for and gives the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if len(args) == 0 {
		_, _ = io.WriteString(errOut, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "up":
		err = up(ctx, args[1:], out, errOut)
	case "exec":
		err = execute(ctx, args[1:], out, errOut)
	case "token":
		err = token(args[1:], out, errOut)
	case "seed":
		err = seedBackups(ctx, args[1:], out, errOut)
	case "sql":
		err = runSQL(ctx, args[1:], out, errOut)
	case "copy":
		err = copyDatabase(ctx, args[1:], out, errOut)
	default:
		_, _ = io.WriteString(errOut, usage)
		return 2
	}
	var command commandError
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &command):
		return int(command) // it has told why itself
	case err != nil:
		_, _ = fmt.Fprintln(errOut, "error:", err)
		return 1
	}
	return 0
}

// repository is the folder above the working folder that holds template.yaml.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "template.yaml")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the repository: there is no template.yaml in %s or above", dir)
		}
	}
}

// stateDir makes the -dir flag absolute: it is relative to the repository, wherever the command runs.
func stateDir(root, dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(root, dir)
}
