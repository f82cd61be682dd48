"""nginx web server and proxy

Sources: nginx.org module pages; CIS NGINX Benchmark 2.1.4 (autoindex), 5.1.1 (allow and deny).
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
    SourceFile,
    factor,
)
from leftopen.cause.locations import (
    Place,
    access_factors,
    endpoints,
    listen_factor,
    places,
)
from leftopen.cause.patch import line_of
from leftopen.model.cause import Factor, Truth

# Directives that hand a request to something else than the file system.
_HANDLERS = frozenset(
    (
        *("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"),
        *("stub_status", "return", "empty_gif", "echo", "perl"),
    )
)
# Ports whose servers answer HTTP with stored data and ask nobody unless told to
# (research/servers.md, the truth table; IANA where registered).
DATA_PORTS = {
    1080: "MailDev",
    2375: "Docker API",
    2379: "etcd",
    5000: "container registry",
    5232: "CalDAV",
    5601: "Kibana",
    5984: "CouchDB",
    6333: "Qdrant",
    7700: "Meilisearch",
    8025: "MailHog",
    8086: "InfluxDB",
    8123: "ClickHouse",
    8428: "VictoriaMetrics",
    8888: "Jupyter or SeaweedFS",
    8983: "Solr",
    9000: "MinIO",
    9090: "Prometheus",
    9200: "Elasticsearch",
    9201: "Elasticsearch",
    10000: "Azurite",
    28017: "MongoDB",
}
_DATA_WORDS = re.compile(
    r"(?i)(?:^|[/_.-])(?:e?mails?|maildirs?|mbox|pst|backups?|dumps?|archives?|exports?|databases?|sql|"
    r"home|private|confidential|secrets?|records?|personnel|medical|hr|scans?|uploads?|logs?)(?:$|[/_.-])"
)
_USERS = "auth_basic_user_file /etc/nginx/htpasswd;"
_RELOAD = "nginx -t && nginx -s reload"
_COMMAND = f"htpasswd -c /etc/nginx/htpasswd USER && {_RELOAD}"
_NOTE = "Until the user file exists nobody gets in."


def _judgement(document: Document, place: Place, title: str, readable: Factor) -> Judgement:
    addresses, ports = endpoints(place.server)
    return Judgement(
        subject=place.label,
        title=f"{title} ({place.label})",
        factors=(listen_factor(place.server), *access_factors(place), readable),
        addresses=addresses,
        ports=ports,
        remedies=tuple(_remedies(place, document)),
    )


def _remedies(place: Place, document: Document) -> Iterator[Remedy]:
    own, satisfy = place.block.last("auth_basic"), place.near("satisfy")
    if own and own.value == "off":
        edit = line_of(document.files[own.file], own.start, own.end)
        yield Remedy("Remove `auth_basic off`", (edit,), _RELOAD)
    both: tuple[Edit, ...] = ()
    if satisfy and satisfy.value == "any":
        both = (Edit(satisfy.file, satisfy.start, satisfy.end, "satisfy all;"),)
        yield Remedy("Ask for address and credential", both, _RELOAD)
    realm = place.near("auth_basic")
    if realm and realm.value != "off" and not place.near("auth_basic_user_file"):
        edit = Edit(realm.file, realm.end, realm.end, f" {_USERS}")
        yield Remedy("Name the user file", (edit,), _COMMAND, _NOTE)
    edits = (*both, *_ask(place, document.files[place.block.file]))
    yield Remedy("Ask for a password", edits, _COMMAND, _NOTE)


def _ask(place: Place, source: SourceFile) -> Iterator[Edit]:
    """Put authentication at the head of a block; what it said itself goes."""
    block = place.block
    inside = [d for d in block.children if d.file == block.file]
    for old in inside:
        if old.name in ("auth_basic", "auth_basic_user_file"):
            yield line_of(source, old.start, old.end)
    first = min((d.start for d in inside), default=block.inside)
    gap = source.text[block.inside : first]
    # The block's own indentation, or one blank where all stands on one line.
    indent = gap[gap.rfind("\n") :] if "\n" in gap else " "
    if "\n" in gap and gap[gap.rfind("\n") :].strip():
        indent = "\n" + " " * 4 * len(place.chain)
    text = f'{indent}auth_basic "restricted";{indent}{_USERS}'
    yield Edit(block.file, block.inside, block.inside, text)


def _root(place: Place) -> tuple[str, Directive | None]:
    found = place.near("alias", "root")
    return (found.value, found) if found else ("html", None)


def listing(document: Document, version: str) -> Iterator[Judgement]:
    """Folders that nginx lists (autoindex on) and serves to whoever asks."""
    for place in places(document):
        autoindex = place.near("autoindex")
        if not autoindex or autoindex.value == "off" or place.block.last(*_HANDLERS):
            continue
        path, _ = _root(place)
        readable = factor("readable", Truth.YES, "autoindex", f"on, of {path}", autoindex)
        yield _judgement(document, place, "nginx lists and serves a folder", readable)


def files(document: Document, version: str) -> Iterator[Judgement]:
    """Folders that nginx serves by name. Only a name that says data makes that an exposure."""
    for place in places(document):
        autoindex = place.near("autoindex")
        if (autoindex and autoindex.value != "off") or place.block.last(*_HANDLERS):
            continue
        path, where = _root(place)
        if where is None:
            continue
        holds = Truth.YES if _DATA_WORDS.search(path) else Truth.UNKNOWN
        value = (
            path
            if holds is Truth.YES
            else f"{path} (whether it is meant to be public is not known)"
        )
        readable = factor("readable", holds, where.name, value, where)
        yield _judgement(document, place, "nginx serves files of a folder", readable)


def proxies(document: Document, version: str) -> Iterator[Judgement]:
    """Back ends that nginx passes requests on to, without asking for a credential itself."""
    for place in places(document):
        target = place.block.last("proxy_pass", "grpc_pass")
        if target is None:
            continue
        yield _judgement(
            document,
            place,
            "nginx passes requests to a back end",
            _backend(document, place, target),
        )


def _backend(document: Document, place: Place, target: Directive) -> Factor:
    login = next(
        (d for d in place.group("proxy_set_header") if d.args[:1] == ("Authorization",)), None
    )
    if login and len(login.args) > 1 and login.args[1] and not login.args[1].startswith("$http_"):
        return factor("readable", Truth.YES, "proxy_set_header", "logs in for every visitor", login)
    match = re.match(r"\w+://([^/:\s]+|\[[^\]]*\])(?::(\d{1,5}))?", target.value)
    ports = [int(match[2])] if match and match[2] else []
    if match and not match[2]:
        ports = _upstream(document, match[1])
    known = next((DATA_PORTS[p] for p in ports if p in DATA_PORTS), "")
    if known:
        return factor("readable", Truth.YES, target.name, f"{target.value} ({known})", target)
    value = f"{target.value} (whether it asks for a credential itself is not known)"
    return factor("readable", Truth.UNKNOWN, target.name, value, target)


def _upstream(document: Document, name: str) -> list[int]:
    """Ports of the servers of an upstream block."""
    blocks = [b for top in (*document.root.all("http"), document.root) for b in top.all("upstream")]
    servers = [s for b in blocks if b.args == (name,) for s in b.all("server")]
    ends = [re.search(r":(\d{1,5})$", s.args[0]) for s in servers if s.args]
    return [int(e[1]) for e in ends if e]


def recognise(path: str, head: str) -> int:
    """nginx blocks; the name alone is not enough."""
    if "server" not in head and "http" not in head:
        return 0
    blocks = re.search(r"(?m)^[ \t]*(?:http|server|stream|events)\s*\{", head)
    settings = re.search(
        r"(?m)^[ \t]*(?:listen|server_name|location|worker_processes|include)\s[^\n]*[;{]", head
    )
    return 90 if blocks and settings else 60 if blocks and "nginx" in path else 0


def _fragment(path: str, head: str) -> bool:
    return not re.search(r"(?m)^[ \t]*(?:http|events|stream|mail)\s*\{", head)


def _site(inside: str) -> dict[str, str]:
    server = f"    server {{\n        listen 80;\n{inside}\n    }}\n"
    return {"nginx.conf": f"events {{}}\nhttp {{\n{server}}}\n"}


_ASKS = '        auth_basic "staff";\n        auth_basic_user_file /etc/nginx/htpasswd;\n'

RULES = RuleSet(
    product="nginx",
    protocol="http",
    reader="nginx",
    recognise=recognise,
    fragment=_fragment,
    rules=(
        Rule(
            name="listing",
            title="A folder is listed and served without authentication",
            judge=listing,
            bad=_site("        root /srv/mail;\n        autoindex on;"),
            good=_site(_ASKS + "        root /srv/mail;\n        autoindex on;"),
            references=(
                "CIS NGINX 2.1.4",
                "CIS NGINX 5.1.1",
                "nginx.org ngx_http_autoindex_module",
            ),
        ),
        Rule(
            name="files",
            title="A folder that holds data is served without authentication",
            judge=files,
            bad=_site("        location /backup/ { alias /srv/backup/; }"),
            good=_site(
                "        location /backup/ { alias /srv/backup/; allow 10.0.0.0/8; deny all; }"
            ),
            references=("CIS NGINX 5.1.1", "nginx.org ngx_http_access_module"),
        ),
        Rule(
            name="proxy",
            title="A data store is reachable through a proxy without authentication",
            judge=proxies,
            bad=_site("        location / { proxy_pass http://127.0.0.1:9200; }"),
            good=_site(_ASKS + "        location / { proxy_pass http://127.0.0.1:9200; }"),
            references=("nginx.org ngx_http_proxy_module", "nginx.org ngx_http_auth_basic_module"),
        ),
    ),
)
