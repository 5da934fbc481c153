#!/usr/bin/env bash
# Runs the tests of what is concurrent under the race detector; "make race" calls it with the services running. Parsers and
# wiring are left out: they have one goroutine, and under the detector they take ten times as long.
set -uo pipefail
cd "$(dirname "$0")/.."

if ! command -v "$(go env CC)" >/dev/null 2>&1; then
	echo "race: skipped: the race detector needs a C compiler, and there is no $(go env CC)"
	exit 0
fi
code=0
go test -race ./shared/cronkey ./shared/files ./shared/httpapi ./shared/jobs ./shared/records || code=$?
go test -race -run 'ManyGoroutines|MemoryIsBounded|AnErrorOfTheOutput|EarlierKind' ./shared/dumpfile || code=$?
go test -race -run 'Schedule|PiecesRestore|OneHugeTable|DumpIsRestoredByPsql|DumpWhoseSession' ./shared/postgres || code=$?
(cd infra/local && go test -race ./eventsource ./gateway ./lambdahost ./scheduler) || code=$?
exit "$code"
