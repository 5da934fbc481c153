// Package console holds the page of Backup & Restore as its build left it. Where it was not built there is only the build's folder.
package console

import "embed"

// Files are the built page: dist/page/index.html and dist/page/assets/*, the assets under names that change with their content.
//
//go:embed all:dist
var Files embed.FS
