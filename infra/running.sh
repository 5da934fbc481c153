# shellcheck shell=sh
# To be sourced, in the repository's root. running prints the process of the local stack, or fails where it does not run.
running() {
	local_pid=$(cat .local/local.pid 2>/dev/null) || return 1
	# The number may be somebody else's by now.
	case $(ps -o comm= -p "$local_pid" 2>/dev/null) in
	local | */local) echo "$local_pid" ;;
	*) return 1 ;;
	esac
}
