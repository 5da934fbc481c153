package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestMakefile_HandsTextOnAsItIs(t *testing.T) {
	t.Parallel()
	const odd = `postgres://a:it's$HOME$$1\x@127.0.0.1/x y`
	for target, c := range map[string]struct{ variable, program, flag string }{
		"run":   {"DATABASE_URL", "infra/up.sh ", "-database-url="},
		"token": {"ROLE", ".local/tools/local token ", ""},
		"bench": {"ONLY", ".local/tools/bench ", "-only="},
	} {
		cmd := exec.CommandContext(t.Context(), "make", "-n", "--no-print-directory", target, c.variable+"="+odd)
		cmd.Dir = "../.."
		recipe, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		i := strings.LastIndex(string(recipe), c.program)
		_, words, ok := strings.Cut(string(recipe[max(i, 0):]), " ")
		if i < 0 || !ok {
			t.Fatalf("make %s does %s", target, recipe)
		}
		// The shell says what it makes of the words.
		got, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s\n' `+words).Output()
		if err != nil || !strings.HasSuffix(string(got), "\n"+c.flag+odd+"\n") && string(got) != c.flag+odd+"\n" {
			t.Errorf("make %s hands on %q (%v)", target, got, err)
		}
	}
}
