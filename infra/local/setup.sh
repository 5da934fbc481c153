#!/bin/sh
# setup.sh NEED ... makes sure that this machine has what the local stack needs: Go, a PostgreSQL server, Node.js with npm; for
# benchmarks, pigz and zstd, which may be missing.
#
# On Debian and Ubuntu it installs PostgreSQL and Node.js from the distribution, as root or by sudo, where there are none. Elsewhere it
# says what to install. It is quiet where there is nothing to do.
set -eu

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

# Keep in step with the go line of go.mod, and with engines in console/package.json.
need_go=1.26
need_node="20.19, 22.13 or newer"

# at_least NEED HAVE compares two versions by their first two numbers. A version that is no number is a development's: it passes.
at_least() {
	major=${2%%.*}
	rest=${2#*.}
	minor=${rest%%[!0-9]*}
	case "$major$minor" in
	'' | *[!0-9]*) return 0 ;;
	esac
	[ "$major" -gt "${1%%.*}" ] || { [ "$major" -eq "${1%%.*}" ] && [ "$minor" -ge "${1#*.}" ]; }
}

check_go() {
	command -v go >/dev/null 2>&1 || fail "Go $need_go or newer is needed, and there is no go on the PATH." \
		"Install it from https://go.dev/dl/ (on macOS: brew install go)."
	# GOTOOLCHAIN=local: not the version that go would download, which machines without the network can't.
	have=$(cd / && GOTOOLCHAIN=local go env GOVERSION) || fail "go does not run."
	at_least "$need_go" "${have#go}" || fail "Go $need_go or newer is needed; this is $have." \
		"Install a newer one from https://go.dev/dl/ (on macOS: brew upgrade go)."
}

# The places that the package pgcluster looks at.
have_server() {
	for server in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /opt/homebrew/opt/postgresql*/bin/postgres \
		/usr/local/opt/postgresql*/bin/postgres /Applications/Postgres.app/Contents/Versions/*/bin/postgres; do
		[ -x "$server" ] && return 0
	done
	command -v postgres >/dev/null 2>&1
}

# Sets sudo to what runs a command as root.
become_root() {
	sudo=
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null 2>&1 || return 1
	sudo=sudo
	# Without a terminal sudo can't ask for a password.
	[ -t 0 ] || sudo -n true 2>/dev/null
}

install_debian() {
	become_root || fail "A PostgreSQL server is needed, and installing it needs root. Run:" \
		"  apt-get update && apt-get install postgresql"
	echo "Installing PostgreSQL (a server on this machine is needed; none is found) ..."
	apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q"
	conf=/etc/postgresql-common/createcluster.conf
	$apt update || fail "apt-get update did not succeed: see above."
	# The package would make a cluster of its own and start it; ours is private. An administrator's own setting stays.
	$apt install -y --no-install-recommends postgresql-common || fail "PostgreSQL could not be installed: see above."
	if ! grep -q '^ *create_main_cluster' "$conf"; then
		echo 'create_main_cluster = false' | $sudo tee -a "$conf" >/dev/null
	fi
	$apt install -y --no-install-recommends postgresql || fail "PostgreSQL could not be installed: see above."
	have_server || fail "PostgreSQL was installed, but no server is found in /usr/lib/postgresql."
}

install_server() {
	case $(uname -s) in
	Darwin)
		fail "A PostgreSQL server is needed, and none is found. Install one:" "  brew install postgresql@17"
		;;
	Linux)
		if command -v apt-get >/dev/null 2>&1; then
			install_debian
		else
			fail "A PostgreSQL server is needed, and none is found." \
				"Install it with this system's package manager; its programs postgres and initdb must be on the PATH."
		fi
		;;
	*)
		fail "A PostgreSQL server is needed, and none is found. This system is not known to this script."
		;;
	esac
}

have_node() { command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; }

install_node() {
	command -v apt-get >/dev/null 2>&1 || fail "Node.js $need_node with npm is needed to build the console, and is not found on the PATH." \
		"Install it from https://nodejs.org/ (on macOS: brew install node)."
	become_root || fail "Node.js and npm are needed to build the console, and installing them needs root. Run:" \
		"  apt-get update && apt-get install nodejs npm"
	echo "Installing Node.js and npm (they build the console; at least one of them is not found) ..."
	apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q"
	$apt update || fail "apt-get update did not succeed: see above."
	$apt install -y --no-install-recommends nodejs npm || fail "Node.js could not be installed: see above."
	have_node || fail "Node.js was installed, but node or npm is not on the PATH."
}

check_node() {
	have=$(node --version) || fail "node does not run."
	at_least 22.13 "${have#v}" || { at_least 20.19 "${have#v}" && ! at_least 21.0 "${have#v}"; } || fail "Node.js $need_node is needed to build the console; this is $have." \
		"Install a newer one from https://nodejs.org/ (on macOS: brew upgrade node)."
}

have_compressors() { command -v pigz >/dev/null 2>&1 && command -v zstd >/dev/null 2>&1; }

install_compressors() {
	if ! command -v apt-get >/dev/null 2>&1 || ! become_root; then
		echo "pigz and zstd are not both installed: what is not is left out."
		return
	fi
	echo "Installing pigz and zstd (they are measured beside ours; at least one of them is not found) ..."
	apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q"
	if ! $apt update || ! $apt install -y --no-install-recommends pigz zstd; then
		echo "pigz and zstd could not be installed (see above): what is missing is left out."
	fi
}

for need in "$@"; do
	case $need in
	go) check_go ;;
	postgres) have_server || install_server ;;
	node)
		have_node || install_node
		check_node
		;;
	compressors) have_compressors || install_compressors ;;
	*) fail "setup.sh: $need is none of go, postgres, node, compressors" ;;
	esac
done
