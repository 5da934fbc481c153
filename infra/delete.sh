#!/bin/sh
# delete.sh NAME ... deletes entries of .local, which may be patterns, and says which. It never leaves .local.
set -eu
cd "$(dirname "$0")/.."

. infra/running.sh
if pid=$(running); then
	echo "The local stack runs (process $pid): stop it first." >&2
	exit 1
fi
none=true
for name in "$@"; do
	case "$name" in
	'' | .* | */*)
		echo "delete.sh: $name is not the name of an entry of .local" >&2
		exit 2
		;;
	esac
	for path in .local/$name; do # unquoted: a pattern
		[ -e "$path" ] || continue
		none=false
		printf 'deleting %s (%s)\n' "$path" "$(du -sh "$path" 2>/dev/null | cut -f 1)"
		# Go's module files and a server's folders may be read-only.
		chmod -R u+w "$path" 2>/dev/null || true
		rm -rf "$path"
	done
done
if $none; then echo "nothing to delete"; fi
