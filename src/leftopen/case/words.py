"""The words of a case: what kind of store it is, its title, and numbers for people."""

from __future__ import annotations

from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Exposure, Size
from leftopen.model.finding import Contents
from leftopen.model.redact import escape_controls

MAIL_KINDS = frozenset({"eml", "mbox", "pst", "ost", "msg", "maildir", "tnef"})

# Protocol (file name in reach/protocols) to the kind of store, in a reader's words.
STORES = {
    "amqp": "Message broker",
    "azure_blob": "Storage container",
    "cassandra": "Database",
    "couchdb": "Database",
    "docker": "Container engine",
    "elasticsearch": "Search engine",
    "etcd": "Key-value store",
    "ftp": "File server",
    "gcs": "Storage bucket",
    "http": "Web server",
    "https": "Web server",
    "imap": "Mail server",
    "influxdb": "Database",
    "kubelet": "Container engine",
    "ldap": "Directory server",
    "memcached": "Key-value store",
    "mongodb": "Database",
    "mqtt": "Message broker",
    "mysql": "Database",
    "nfs": "File server",
    "pop3": "Mail server",
    "postgresql": "Database",
    "redis": "Key-value store",
    "rsync": "File server",
    "s3": "Storage bucket",
    "smb": "File server",
    "smtp": "Mail server",
    "solr": "Search engine",
    "webdav": "File server",
}


def holds_mail(contents: Contents | None) -> bool:
    """Whether most of the objects read are mail."""
    if contents is None or not contents.kinds:
        return False
    mail = sum(n for kind, n in contents.kinds.items() if kind in MAIL_KINDS)
    return 2 * mail > sum(contents.kinds.values())


def store_kind(exposure: Exposure, contents: Contents | None) -> str:
    """`Mail archive`, `Database`, ...: by what was in there, else by the protocol."""
    by_protocol = STORES.get(exposure.protocol, "Service")
    if holds_mail(contents) and by_protocol != "Mail server":
        return "Mail archive"
    return by_protocol


def title(exposure: Exposure, contents: Contents | None, *, sensors: tuple[str, ...] = ()) -> str:
    """`Mail archive on 127.0.0.10:8080 gave 2,000 messages to anybody`.

    `sensors` names who reported it where no probe of ours confirmed it.
    """
    what = _amount(exposure.size, contents)
    where = f"{store_kind(exposure, contents)} on {place(exposure.endpoint)}"
    if exposure.access is Access.LISTS:
        deed = "listed the names of what it holds to anybody"
        deed = f"listed the names of {what} to anybody" if what else deed
    else:
        deed = f"gave {what or 'data'} to anybody"
    if sensors:
        return f"{where} {deed}, says {', '.join(sensors)}; not confirmed"
    return f"{where} {deed}"


def place(endpoint: Endpoint) -> str:
    """`name:port` or `address:port`, fit to show."""
    if not endpoint.name:
        return str(endpoint)
    return f"{escape_controls(endpoint.name)[:120]}:{endpoint.port}"


def _amount(size: Size | None, contents: Contents | None) -> str:
    unit = size.unit if size else "objects"
    if unit == "objects" and holds_mail(contents):
        unit = "messages"
    objects, complete = (size.objects, size.complete) if size else (None, True)
    # A database is counted by row and read by table.
    if contents is not None and contents.objects_total is not None and unit != "rows":
        objects, complete = contents.objects_total, True
    if not objects:
        return ""
    unit = escape_controls(unit)[:40]
    unit = unit.removesuffix("s") if objects == 1 else unit
    return f"{'' if complete else 'at least '}{objects:,} {unit}"


def volume(size: int) -> str:
    """Bytes in decimal units: `3.0 TB`."""
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size:,} bytes"


def duration(seconds: float) -> str:
    """`31 hours`, `12 days`, `5 minutes`."""
    unit, scale = next(
        ((u, s) for u, s in (("day", 86_400), ("hour", 3_600)) if seconds >= 2 * s), ("minute", 60)
    )
    number = round(seconds / scale)
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
