package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

// Build compiles Go packages of the repository at root, such as ./functions/api, for this machine, each into
// dir/<name>/bootstrap, with the flags of a deployment.
func Build(ctx context.Context, root, dir string, packages []string) error {
	fresh := filepath.Join(dir, ".new")
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("build the functions: %w", err)
	}
	if err := os.MkdirAll(fresh, 0o755); err != nil { // programs, not secrets
		return fmt.Errorf("build the functions: %w", err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	args := append([]string{"build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", fresh + string(filepath.Separator)}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...) // the packages are the template's
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return errors.New("build the functions: there is no Go on the PATH")
		}
		return fmt.Errorf("build the functions: %w: %s", err, strings.TrimSpace(out.String()))
	}
	for _, p := range packages {
		name := path.Base(p)
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil { // programs, not secrets
			return fmt.Errorf("build the functions: %w", err)
		}
		// A rename, so that a program that still runs keeps its file.
		if err := os.Rename(filepath.Join(fresh, name), binaryOf(dir, p)); err != nil {
			return fmt.Errorf("build the functions: %w", err)
		}
	}
	return nil
}

func binaryOf(dir, pkg string) string { return filepath.Join(dir, path.Base(pkg), "bootstrap") }

// checkPackages finds a function whose package is not there: Go's own words for that name no resource.
func checkPackages(root string, m *template.Stack) error {
	var errs []error
	for _, f := range m.Functions {
		property := "CodeUri"
		if f.Image {
			property = "Metadata.DockerBuildArgs"
		}
		sources, err := filepath.Glob(filepath.Join(root, f.Package, "*.go"))
		if err != nil || len(sources) == 0 {
			errs = append(errs, fmt.Errorf("resource %s (AWS::Serverless::Function): property %s can't be run here: there is no Go package in %s",
				f.ID, property, f.Package))
		}
	}
	return errors.Join(errs...)
}

func packagesOf(m *template.Stack) []string {
	var out []string
	for _, f := range m.Functions {
		if !slices.Contains(out, f.Package) {
			out = append(out, f.Package)
		}
	}
	return out
}
