# shellcheck shell=sh
# To be sourced, in the repository's root, by what drives a browser. It makes sure of Node, of the page and of Chromium, builds the
# local stack's program, and sets CHROMIUM for playwright.config.ts.

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

command -v npm >/dev/null 2>&1 || fail "Node.js 20.19, 22.13 or newer with npm is needed: https://nodejs.org/en/download"

find_chromium() {
	# The headless one is the same engine without a window around it, and takes a quarter less time.
	for CHROMIUM in "${CHROMIUM:-}" /usr/bin/chromium-headless-shell /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome \
		'/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' /Applications/Chromium.app/Contents/MacOS/Chromium; do
		[ -x "$CHROMIUM" ] && return 0
	done
	return 1
}

if ! find_chromium; then
	if ! command -v apt-get >/dev/null 2>&1 || ! grep -qs '^ID=debian' /etc/os-release; then
		fail "Chromium is needed, and none is found." "Install it with this system's package manager, or set CHROMIUM to its program."
	fi
	[ "$(id -u)" -eq 0 ] || fail "Chromium is needed, and installing it needs root. Run:" \
		"  apt-get update && apt-get install --no-install-recommends chromium-headless-shell fonts-dejavu-core"
	echo "Installing Chromium (a browser is needed; none is found) ..."
	DEBIAN_FRONTEND=noninteractive apt-get -q update || fail "apt-get update did not succeed: see above."
	DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends chromium-headless-shell fonts-dejavu-core ||
		fail "Chromium could not be installed: see above."
	find_chromium || fail "Chromium was installed, but is not found."
fi
export CHROMIUM

# playwright runs Playwright against a stack of its own, with what it is given.
playwright() {
	infra/local/setup.sh
	make -s console
	mkdir -p .local/tools .local/e2e
	(cd infra/local && go build -o ../../.local/tools/local .)
	.local/tools/local exec -log .local/e2e/stack.log -- \
		console/node_modules/.bin/playwright test -c console/e2e/playwright.config.ts "$@"
}
