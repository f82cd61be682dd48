"""vsftpd FTP server

Sources: vsftpd.conf(5) and the binary, which disagree: with `anonymous_enable` absent Debian's
3.0.3 logs anonymous in (research/cause.md, section 0). Seen on 3.0.3-13+b2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leftopen.cause.api import (
    Directive,
    Document,
    Edit,
    Judgement,
    Remedy,
    Rule,
    RuleSet,
    absent,
    factor,
)
from leftopen.cause.networks import ANY_V4, listens
from leftopen.cause.patch import append
from leftopen.model.cause import Factor, Truth, any_of

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
_ON, _OFF = ("YES", "TRUE", "1"), ("NO", "FALSE", "0")


def _flag(document: Document, name: str, standard: Truth) -> Truth:
    line = document.root.last(name)
    if line is None:
        return standard
    value = line.value.upper()
    return YES if value in _ON else NO if value in _OFF else UNKNOWN


def _addresses(document: Document) -> tuple[str, ...]:
    found = []
    for flag, name, standard in (
        ("listen", "listen_address", ANY_V4),
        ("listen_ipv6", "listen_address6", "::"),
    ):
        if _flag(document, flag, NO) is not NO:
            line = document.root.last(name)
            found.append(line.value if line else standard)
    return tuple(found)


def _listen(document: Document) -> Factor:
    addresses = _addresses(document)
    where = document.root.last("listen_address", "listen_address6", "listen", "listen_ipv6")
    if len(addresses) == 1:
        return factor("listen", listens(addresses), "listen", addresses[0], where or "")
    if addresses:
        value = "listen and listen_ipv6 exclude each other; vsftpd does not start"
        return factor("listen", UNKNOWN, "listen", value, where or "")
    source = "vsftpd 3.0.3: NO for both, started by inetd or a socket unit"
    return factor("listen", UNKNOWN, "listen", "by whoever starts it", where or source)


def _auth(document: Document) -> Factor:
    """Does anonymous come in? An absent line means yes."""
    line = document.root.last("anonymous_enable")
    holds = _flag(document, "anonymous_enable", YES)
    source = "vsftpd 3.0.3 binary: YES (its manual says NO)"
    value = line.value if line else "YES"
    return factor("auth", holds, "anonymous_enable", value, line or source)


def _path(document: Document) -> Factor:
    """Lists of users or hosts that may keep anonymous out."""
    listed = _flag(document, "userlist_enable", NO)
    if listed is not NO and _flag(document, "userlist_deny", YES) is not YES:
        line = document.root.last("userlist_deny")
        value = "only users of the userlist_file, which was not read"
        return factor("path", UNKNOWN, "userlist_deny", value, line or "")
    for name, value in (
        ("tcp_wrappers", "hosts.allow and hosts.deny, which were not read"),
        ("secure_email_list_enable", "only e-mail addresses of a list, which was not read"),
    ):
        if _flag(document, name, NO) is not NO:
            return factor("path", UNKNOWN, name, value, document.root.last(name) or "")
    return factor("path", YES, "tcp_wrappers", "NO", absent("no list of users or hosts"))


def _readable(document: Document) -> Factor:
    """May a session list or fetch?"""
    allowed = document.root.last("cmds_allowed")
    commands = {c.strip().upper() for c in allowed.value.split(",")} if allowed else set()
    if allowed and commands and not commands & {"RETR", "LIST", "NLST"}:
        return factor("readable", NO, "cmds_allowed", allowed.value, allowed)
    download = _flag(document, "download_enable", YES)
    listing = _flag(document, "dirlist_enable", YES)
    where = document.root.last("download_enable", "dirlist_enable", "anon_root")
    root = document.root.last("anon_root")
    value = (
        f"download {download}, listing {listing}, of {root.value if root else 'the home of ftp'}"
    )
    return factor(
        "readable",
        any_of(download, listing),
        "download_enable",
        value,
        where or absent("nothing takes it away"),
    )


def anonymous(document: Document, version: str) -> Iterator[Judgement]:
    """Files that a client fetches as `anonymous`."""
    if document.main not in document.files:
        return
    port = document.root.last("listen_port")
    number = port.value if port and re.fullmatch(r"\d{1,5}", port.value) else "21"
    yield Judgement(
        subject="server",
        title="vsftpd logs anonymous in",
        factors=(_listen(document), _path(document), _auth(document), _readable(document)),
        addresses=_addresses(document),
        ports=(min(int(number), 65_535),),
        remedies=(_remedy(document, document.root.last("anonymous_enable")),),
    )


def _remedy(document: Document, line: Directive | None) -> Remedy:
    text = "anonymous_enable=NO"
    if line is None:
        edit = append(document.files[document.main], text)
    else:
        edit = Edit(line.file, line.start, line.end, text)
    return Remedy("Keep anonymous out", (edit,), "systemctl restart vsftpd")


def recognise(path: str, head: str) -> int:
    """vsftpd.conf by name, else by two of its settings."""
    names = "listen|anonymous_enable|local_enable|write_enable|listen_ipv6|xferlog_enable|anon_root"
    found = set(re.findall(rf"(?m)^[ \t]*({names}|pam_service_name|secure_chroot_dir)=", head))
    if re.search(r"vsftpd[^/]*\.conf$", path):
        return 95
    return 80 if len(found) >= 2 or "anonymous_enable" in found else 0


RULES = RuleSet(
    product="vsftpd",
    protocol="ftp",
    reader="vsftpd",
    recognise=recognise,
    rules=(
        Rule(
            name="anonymous",
            title="Anonymous FTP is on",
            judge=anonymous,
            bad={"vsftpd.conf": "listen=YES\nlocal_enable=YES\n"},
            good={"vsftpd.conf": "listen=YES\nanonymous_enable=NO\n"},
            references=("ComplianceAsCode ftp_restrict_to_anon", "vsftpd.conf(5)"),
        ),
    ),
)
