#!/bin/sh
# Makes sure that this machine has what the local stack needs: Go and a PostgreSQL server.
#
# On Debian and Ubuntu it installs PostgreSQL from the distribution, as root or by sudo. Elsewhere it says what to install.
# It is quiet where there is nothing to do.
set -eu

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

# Keep in step with the go line of go.mod.
need_go=1.26

check_go() {
	command -v go >/dev/null 2>&1 || fail "Go $need_go or newer is needed, and there is no go on the PATH." \
		"Install it from https://go.dev/dl/ (on macOS: brew install go)."
	# GOTOOLCHAIN=local: not the version that go would download, which machines without the network can't.
	have=$(cd / && GOTOOLCHAIN=local go env GOVERSION) || fail "go does not run."
	version=${have#go}
	major=${version%%.*}
	rest=${version#*.}
	minor=${rest%%[!0-9]*}
	case "$major$minor" in
	'' | *[!0-9]*) return 0 ;; # a development version
	esac
	if [ "$major" -lt "${need_go%%.*}" ] || { [ "$major" -eq "${need_go%%.*}" ] && [ "$minor" -lt "${need_go#*.}" ]; }; then
		fail "Go $need_go or newer is needed; this is $have." \
			"Install a newer one from https://go.dev/dl/ (on macOS: brew upgrade go)."
	fi
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

check_go
have_server || install_server
