package template_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/config"
)

// Each function's settings, by the call of package config that reads them.
var settings = map[string]struct {
	call string
	read func() error
}{
	"ApiFunction":      {"API", func() error { _, err := config.API(); return err }},
	"WorkerFunction":   {"Worker", func() error { _, err := config.Worker(); return err }},
	"ScheduleFunction": {"Schedule", func() error { _, err := config.Schedule(); return err }},
	"JanitorFunction":  {"Janitor", func() error { _, err := config.Janitor(); return err }},
}

func variables(d document, f resource) map[string]any {
	all := map[string]any{}
	for _, from := range []any{at(map[string]any(d), "Globals", "Function", "Environment", "Variables"), f.property("Environment", "Variables")} {
		m, _ := from.(map[string]any)
		maps.Copy(all, m)
	}
	return all
}

// checkEnvironment: a function is given the variables that it reads, and no other.
func checkEnvironment(d document) (wrong []string) {
	readBy, err := variablesRead("../../shared/config/config.go")
	if err != nil {
		return []string{err.Error()}
	}
	expiry := map[any]bool{}
	for _, f := range d.functions() {
		if v, ok := variables(d, f)["LOCK_EXPIRY"]; ok {
			expiry[v] = true
		}
	}
	if len(expiry) != 1 {
		wrong = append(wrong, fmt.Sprintf("functions disagree about when a lock is free: %v", slices.Collect(maps.Keys(expiry))))
	}
	for _, f := range d.functions() {
		given := slices.Sorted(maps.Keys(variables(d, f)))
		reads := readBy[settings[f.name].call]
		if len(reads) == 0 || !slices.Equal(given, reads) {
			wrong = append(wrong, fmt.Sprintf("%s is given %v and reads %v", f.name, given, reads))
		}
	}
	return wrong
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)

// variablesRead finds in a source the names of variables that each function mentions, also through the methods that it calls.
func variablesRead(source string) (map[string][]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		return nil, fmt.Errorf("read the variables' names: %w", err)
	}
	mentions, calls := map[string]map[string]bool{}, map[string][]string{}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		mentions[f.Name.Name] = map[string]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok {
				calls[f.Name.Name] = append(calls[f.Name.Name], method.Sel.Name)
			}
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					// What begins with AWS_ is Lambda's own to set.
					if name, err := strconv.Unquote(lit.Value); err == nil && variableName.MatchString(name) && !strings.HasPrefix(name, "AWS_") {
						mentions[f.Name.Name][name] = true
					}
				}
			}
			return true
		})
	}
	out := map[string][]string{}
	for name, own := range mentions {
		all := maps.Clone(own)
		for _, called := range calls[name] {
			maps.Copy(all, mentions[called])
		}
		out[name] = slices.Sorted(maps.Keys(all))
	}
	return out, nil
}

// Package config accepts the template's values. Those that CloudFormation fills in are replaced by a likely one.
func TestTemplate_SettingsAreAccepted(t *testing.T) {
	d := mustParse(t, read(t))
	stand := map[string]string{
		"BUCKET": "backup-restore-bucket-1abc", "JOBS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
		"CRON_KEY_SECRET": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:CronKeySecret-abc",
		"ROLE_CLAIM":      "", "SCHEDULED_DATABASES": "",
		"ISSUER": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abc", "CLIENT_ID": "client",
		"TOKEN_ORIGIN": "https://backup-restore-1abc.auth.eu-central-1.amazoncognito.com",
	}
	// The default of each parameter goes in where a variable is made of one.
	parameters := map[string]string{"ROLE_CLAIM": "RoleClaim", "SCHEDULED_DATABASES": "ScheduledDatabases", "COMPRESSION": "Compression"}
	for name, parameter := range parameters {
		stand[name] = text(map[string]any(d), "Parameters", parameter, "Default")
	}
	// And where it is part of one.
	within := map[string]string{"CRON_KEY_GRACE": "CronKeyGraceMinutes", "APPLY_WINDOW": "ApplyWindowMinutes", "UNDO_WINDOW": "UndoWindowHours"}
	for _, f := range d.functions() {
		t.Run(f.name, func(t *testing.T) {
			for name, v := range variables(d, f) {
				value, literal := v.(string)
				switch {
				case literal:
				case within[name] != "":
					parameter := within[name]
					value = strings.ReplaceAll(text(v, "Fn::Sub"), "${"+parameter+"}", fmt.Sprint(at(map[string]any(d), "Parameters", parameter, "Default")))
				default:
					var known bool
					if value, known = stand[name]; !known {
						t.Fatalf("%s is made of something that this test does not know", name)
					}
				}
				t.Setenv(name, value)
			}
			if err := settings[f.name].read(); err != nil {
				t.Error(err)
			}
		})
	}
}
