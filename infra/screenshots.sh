#!/bin/sh
# screenshots.sh makes pictures of every view of the page, light and dark, wide and narrow, into .local/screenshots, and those of
# the README into docs/images; "make screenshots" calls it.
set -eu
cd "$(dirname "$0")/.."

. infra/browser.sh
export E2E_FILES=screenshots.ts
playwright
for picture in docs/images/console-inventory.png docs/images/console-report.png; do
	size=$(wc -c <"$picture")
	[ "$size" -le 200000 ] || fail "$picture has $size bytes: more than 200,000 are too much for a README."
done
