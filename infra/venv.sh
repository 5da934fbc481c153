# shellcheck shell=bash
# To be sourced. Python tools in virtual environments under .local.

# venv_install's answer where the package index can't be reached.
VENV_UNREACHABLE=77

# venv_install DIR REQUIREMENTS makes DIR a virtual environment that holds what REQUIREMENTS pins. It does nothing where that is
# done already.
venv_install() {
	local dir=$1 requirements=$2 log
	if cmp -s "$requirements" "$dir/installed.txt"; then
		return 0
	fi
	rm -rf "$dir"
	mkdir -p "$(dirname "$dir")"
	venv_create "$dir" || return 1
	echo "installing $(grep -c '==' "$requirements") tools into $dir"
	log=$dir/install.log
	if "$dir/bin/pip" install --quiet --retries 2 --timeout 30 --disable-pip-version-check -r "$requirements" >"$log" 2>&1; then
		cp "$requirements" "$dir/installed.txt"
		return 0
	fi
	cat "$log" >&2
	# pip retries and says why; that the version does not exist looks the same at the end, but without these.
	if grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|Network is unreachable|Connection (refused|reset)' "$log"; then
		rm -rf "$dir"
		return "$VENV_UNREACHABLE"
	fi
	return 1
}

# Debian's python3 comes without what venv needs.
venv_create() {
	local sudo=
	if ! command -v python3 >/dev/null 2>&1 || ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
		[ "$(id -u)" -eq 0 ] || sudo=sudo
		if ! command -v apt-get >/dev/null 2>&1 || ! command -v ${sudo:-true} >/dev/null 2>&1; then
			echo "Python 3 with its venv module is needed: install it and try again." >&2
			return 1
		fi
		echo "installing python3-venv"
		$sudo apt-get -q update >/dev/null && $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3-venv >/dev/null || return 1
	fi
	python3 -m venv "$1"
}
