#!/bin/sh
# Packages and megabytes of a base install, and the time of `leftopen --help`.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh "$here/tools/venv.sh" "$1" "$work/venv"
"$work/venv/bin/python" -m pip install -q --require-hashes -r "$here/requirements.lock"
"$work/venv/bin/python" -m pip install -q --no-deps --no-build-isolation "$here"
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "packages: $("$work/venv/bin/python" -m pip list --format freeze | grep -cvE '^(pip|setuptools|leftopen)=')"
echo "megabytes: $(du -sm "$site" | cut -f1) (pip and setuptools among them)"
"$work/venv/bin/leftopen" --help >/dev/null
start=$(date +%s%N)
for _ in 1 2 3 4 5; do "$work/venv/bin/leftopen" --help >/dev/null; done
echo "leftopen --help: $((($(date +%s%N) - start) / 5000000)) ms"
