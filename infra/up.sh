#!/bin/sh
# up.sh FLAG ... builds the local stack and becomes it; "make run" calls it.
set -eu
cd "$(dirname "$0")/.."

. infra/running.sh
if pid=$(running); then
	echo "The local stack runs already (process $pid)." >&2
	exit 1
fi
mkdir -p .local/tools
(cd infra/local && go build -o ../../.local/tools/local .)
exec .local/tools/local up "$@"
