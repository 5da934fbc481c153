// Package console holds the page of Backup & Restore as its build left it. Where it was not built there is only the build's folder.
package console

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Page is the built page: index.html and assets/*, the assets under names that change with their content, and beside them what is
// sent to those who take br or gzip. It is empty where the page was not built.
func Page() (fs.FS, error) {
	page, err := fs.Sub(files, "dist/page")
	if err != nil {
		return nil, fmt.Errorf("open the page's files: %w", err)
	}
	return page, nil
}
