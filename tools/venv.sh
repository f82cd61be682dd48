#!/bin/sh
# Make a virtual environment. On Debian, python3 comes without the venv module: as root it is
# installed, otherwise the one missing package is named.
set -eu
python=$1 venv=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Leftopen needs Python 3.11 or later; say which with: make PYTHON=python3.12" >&2
    exit 2
}
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv"
    else
        echo "python3 has no venv module; install it first: apt-get install python$version-venv" >&2
        exit 2
    fi
fi
"$python" -m venv "$venv"
