#!/usr/bin/env bash
# Runs the tests of both modules; "make test" calls it with the services running. Arguments go to go test.
set -uo pipefail
cd "$(dirname "$0")/.."

code=0
# Many tests wait for the services most of the time, so more of them run at once than there are processors.
go test -parallel 8 "$@" ./... || code=$?
# The tests of the module that runs the product on one machine, end to end among them.
(cd infra/local && go test -parallel 8 "$@" ./...) || code=$?
# Flags are for go test: whoever gives some looks for certain tests of Go.
if [ $# -eq 0 ]; then
	(cd console && npm run --silent test) || code=$?
fi
exit "$code"
