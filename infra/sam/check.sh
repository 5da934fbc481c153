#!/usr/bin/env bash
# Checks template.yaml with the tools that deploy it: sam validate --lint, cfn-lint, sam build. "make sam" runs it.
#
# The tools come from PyPI into a virtual environment under .local/sam. Where PyPI can't be reached there is nothing to check
# with, which is said and is no failure. The worker's image is built where a container engine runs.
set -euo pipefail
cd "$(dirname "$0")/../.."

requirements=infra/sam/requirements.txt
venv=.local/sam
build=.local/sam-build/functions # SAM keeps notes beside it
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-central-1 PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf 'sam: %s\n' "$*"; }
fail() {
	printf 'sam: %s\n' "$*" >&2
	exit 1
}

# shellcheck source=../venv.sh
. infra/venv.sh
venv_install "$venv" "$requirements" || {
	code=$?
	[ "$code" -eq "$VENV_UNREACHABLE" ] || fail "the tools could not be installed"
	say "skipped: PyPI can't be reached, so there is no SAM CLI to check with"
	exit 0
}

say "validate"
"$venv/bin/sam" validate --lint
say "cfn-lint"
"$venv/bin/cfn-lint" --regions eu-central-1 us-east-1 -- template.yaml

# Prints why the worker's image can't be built here, or nothing.
no_image() {
	command -v docker >/dev/null 2>&1 || { echo "there is no docker on the PATH" && return; }
	timeout 20 docker info >/dev/null 2>&1 || { echo "no Docker engine answers" && return; }
	docker buildx version >/dev/null 2>&1 || { echo "Docker has no buildx plugin" && return; }
	docker buildx inspect --bootstrap 2>/dev/null | grep -q 'linux/arm64' || echo "this Docker can't run linux/arm64 (binfmt is not set up)"
}

arguments=(--build-dir "$build" --no-cached)
why=$(no_image)
if [ -n "$why" ]; then
	arguments+=(--exclude WorkerFunction --no-use-buildkit)
fi
say "build"
# BuildMethod go1.x takes its flags from the environment. lambda.norpc leaves out the protocol of the old go1.x runtime.
export CGO_ENABLED=0 GOFLAGS="-trimpath -tags=lambda.norpc '-ldflags=-s -w'"
# Before SAM does: it hides the compiler's words. This compiles the worker as well.
GOOS=linux GOARCH=arm64 go build ./functions/...
"$venv/bin/sam" build "${arguments[@]}"

for function in ApiFunction ScheduleFunction JanitorFunction; do
	about=$(go version -m "$build/$function/bootstrap") || fail "$function has no bootstrap"
	for want in GOARCH=arm64 GOOS=linux CGO_ENABLED=0 -tags=lambda.norpc; do
		grep -qF -- "$want" <<<"$about" || fail "$function was not built with $want"
	done
	say "$function: $(wc -c <"$build/$function/bootstrap") bytes, linux/arm64"
done

if [ -n "$why" ]; then
	say "skipped: the worker's image was not built: $why"
	say "checked instead: the worker compiles for linux/arm64"
fi
