#!/bin/sh
# e2e.sh [argument ...] tests the page in a browser against a stack of its own, which it starts and removes; "make e2e" calls it.
# Arguments go to Playwright: infra/e2e.sh session -g 'signs out'. What a failed test leaves is in .local/e2e: a report, and the
# functions' log.
set -eu
cd "$(dirname "$0")/.."

. infra/browser.sh
playwright "$@"
