#!/bin/sh
# measure.sh measures how soon the page's views can be used, and what they load, against a stack of its own; "make measure" calls it.
set -eu
cd "$(dirname "$0")/.."

. infra/browser.sh
export E2E_FILES=measure.ts
playwright --workers=1
