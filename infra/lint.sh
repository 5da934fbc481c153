#!/usr/bin/env bash
# lint.sh GOLANGCI checks format, vet and the rules of .golangci.yml in both modules, the shell scripts' syntax, and the console's types,
# rules and format.
set -uo pipefail
cd "$(dirname "$0")/.."
golangci=$PWD/$1

code=0
unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l) || code=1
if [ -n "$unformatted" ]; then
	printf 'not formatted:\n%s\n' "$unformatted"
	code=1
fi
git ls-files --cached --others --exclude-standard | while read -r file; do
	case $(head -c 64 "$file" 2>/dev/null | head -n 1) in
	'#!/usr/bin/env bash'*) bash -n "$file" || exit 1 ;;
	'#!/bin/sh'*) sh -n "$file" || exit 1 ;;
	esac
done || code=1
for module in . infra/local; do
	(cd "$module" && go vet ./... && "$golangci" run ./...) || code=1
done
(cd console && npm run --silent lint) || code=1
exit "$code"
