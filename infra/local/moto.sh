#!/bin/sh
# Runs the conformance suite of the SQS and Secrets Manager calls against moto, a second implementation of them, to see that both agree.
# moto is installed from PyPI into .local/moto at the repository's root. Where PyPI can't be reached and it is not installed
# yet, this says "skipped: …" and ends well.
set -eu

moto_version=5.2.5
here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)/.local/moto
mkdir -p "$home"

if ! { [ -f "$home/installed-$moto_version" ] && [ -x "$home/venv/bin/moto_server" ]; }; then
  if ! command -v python3 >/dev/null; then
    echo "skipped: moto needs python3, which is not on this machine"
    exit 0
  fi
  if ! python3 -m venv "$home/venv" >"$home/install.log" 2>&1; then
    echo "skipped: python3 can't make a virtual environment (on Debian: apt install python3-venv); see $home/install.log"
    exit 0
  fi
  if ! "$home/venv/bin/pip" install --quiet --disable-pip-version-check --timeout 15 --retries 2 \
    "moto[server,sqs,secretsmanager]==$moto_version" >"$home/install.log" 2>&1; then
    echo "skipped: moto could not be installed from PyPI; see $home/install.log"
    exit 0
  fi
  : >"$home/installed-$moto_version"
fi

port=$("$home/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$home/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$home/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# Ready when it takes connections.
"$home/venv/bin/python" - "$port" "$server" <<'PYTHON' || { tail -20 "$home/server.log" >&2; exit 1; }
import os, socket, sys, time
port, server = int(sys.argv[1]), int(sys.argv[2])
deadline = time.monotonic() + 60
while True:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        break
    except OSError:
        os.kill(server, 0)  # raises where the server has ended
        if time.monotonic() > deadline:
            sys.exit("moto did not start within 60 seconds")
        time.sleep(0.05)
PYTHON

cd "$here"
CONFORMANCE_ENDPOINT="http://127.0.0.1:$port" CONFORMANCE_SERVER=moto go test -count=1 -run 'SQS|Secrets' ./awsapi/conformance "$@"
echo "moto $moto_version and the conformance suite agree"
