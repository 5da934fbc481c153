// Package console holds the page of Backup & Restore as its build left it. Where it was not built there is only the build's folder.
package console

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:dist
var built embed.FS

// Page is the built page: index.html and assets/*, which are named for their content. It has no file where the page was not built.
func Page() (fs.FS, error) {
	page, err := fs.Sub(built, "dist/page")
	if err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	return page, nil
}
