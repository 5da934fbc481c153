package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/issuer"
)

// token prints a bearer token that the running stack accepts. It needs the issuer's key only, so it works whether or not
// the stack runs right now.
func token(args []string, out, errOut io.Writer) error {
	f := flag.NewFlagSet("local token", flag.ContinueOnError)
	f.SetOutput(errOut)
	role := f.String("role", "", "the operator's role: "+strings.Join(issuer.Roles(), ", "))
	name := f.String("name", "script", "the operator's name, for the activity log")
	ttl := f.Duration("ttl", issuer.Lifetime, "how long the token works")
	dir := f.String("dir", ".local", "the state folder, relative to the repository")
	if err := f.Parse(args); err != nil {
		return err
	}
	if !issuer.ValidRole(*role) {
		return fmt.Errorf("the role %q is not known: choose one by ROLE=%s", *role, strings.Join(issuer.Roles(), "|"))
	}
	if *ttl < time.Second {
		return fmt.Errorf("-ttl %s is less than a second", *ttl)
	}
	root, err := repository()
	if err != nil {
		return err
	}
	i, err := issuer.Load(filepath.Join(stateDir(root, *dir), "issuer"))
	if errors.Is(err, issuer.ErrNone) {
		return errors.New("nothing was ever started here, so there is no key to sign with: run make run first")
	}
	if err != nil {
		return err
	}
	t, err := i.AccessToken(issuer.Person{Name: *name, Role: *role}, *ttl)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, t)
	return err
}
