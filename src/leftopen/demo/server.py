"""The web server of the demo: nginx where it is installed, else a small one of the same manners.

Both serve the same folder from the same configuration file and write the same combined log
(https://nginx.org/en/docs/http/ngx_http_log_module.html). The small one reads the few directives
that the demo's configuration uses, so that the report's cause is the real one in both cases.
"""

from __future__ import annotations

import html
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

CONFIGURATION = """\
# Mail archive, read-only copy for the records team.
worker_processes 1;
pid {base}/nginx.pid;
error_log {base}/logs/error.log;
events {{ worker_connections 512; }}
http {{
    default_type application/octet-stream;
    types {{ message/rfc822 eml; text/plain txt; text/html html; }}
    access_log {base}/logs/access.log combined;
    client_body_temp_path {base}/tmp; proxy_temp_path {base}/tmp; fastcgi_temp_path {base}/tmp;
    uwsgi_temp_path {base}/tmp; scgi_temp_path {base}/tmp;
    server {{
        listen {address}:{port};
        server_name mail-archive.example.mil;
        root {root};
        location / {{
            autoindex on;
        }}
    }}
}}
"""


def configure(base: Path, root: Path, address: str, port: int) -> Path:
    """Write the configuration that opens the archive; answers where it is."""
    for folder in ("logs", "tmp", "etc/nginx"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    file = base / "etc/nginx/nginx.conf"
    file.write_text(CONFIGURATION.format(base=base, root=root, address=address, port=port))
    return file


def free_port(address: str, wanted: int) -> int:
    """`wanted` if nobody listens there, else one that the system gives."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {address}")


@contextmanager
def serve(configuration: Path, address: str, port: int, *, own: bool = False) -> Iterator[str]:
    """Run the server until the block ends; gives its name. `own` leaves nginx aside."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx and not own:
        with _nginx(nginx, configuration, address, port):
            yield "nginx"
    else:
        with _python(configuration, address, port):
            yield "the demo's own web server (nginx is not installed)"


@contextmanager
def _nginx(nginx: str, configuration: Path, address: str, port: int) -> Iterator[None]:
    command = [nginx, "-c", str(configuration), "-p", str(configuration.parents[2])]
    if setpriv := shutil.which("setpriv"):  # so that it ends with the demo, however that ends
        command = [setpriv, "--pdeathsig", "TERM", *command]
    options = "daemon off; master_process off;"
    with subprocess.Popen(  # noqa: S603 - nginx, found on the system's path
        [*command, "-g", options], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            _wait(address, port, lambda: process.poll() is not None)
            yield
        finally:
            process.terminate()


def _wait(address: str, port: int, dead: object) -> None:
    for _ in range(200):
        if callable(dead) and dead():
            break
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.02)
    raise OSError(f"the demo's web server does not answer on {address} port {port}")


@contextmanager
def _python(configuration: Path, address: str, port: int) -> Iterator[None]:
    text = configuration.read_text()
    server = _Server((address, port), _Handler)
    server.root = Path(_directive(text, "root"))
    server.listing = _directive(text, "autoindex") == "on"
    log = Path(_directive(text, "access_log").split()[0])
    with log.open("a", buffering=1, encoding="utf-8") as server.log:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _directive(text: str, name: str) -> str:
    found = re.search(rf"^\s*{name}\s+([^;]+);", text, re.MULTILINE)
    return found.group(1).strip() if found else ""


class _Server(ThreadingHTTPServer):
    root: Path
    listing: bool
    log: object
    daemon_threads = True
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of files and, with autoindex, of folders; one combined log line each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    server: _Server

    def do_HEAD(self) -> None:
        """HEAD: the head of what GET answers."""
        self.do_GET()

    def do_GET(self) -> None:
        """GET: a file, a listing, or 404; sent in pieces, so that an abort is seen."""
        place = (self.server.root / unquote(self.path.split("?", 1)[0]).lstrip("/")).resolve()
        inside = place == self.server.root or self.server.root in place.parents
        if inside and place.is_file():
            self._send(200, "message/rfc822", place.read_bytes())
        elif inside and place.is_dir() and self.server.listing:
            self._send(200, "text/html", _listing(unquote(self.path), place))
        else:
            self._send(403 if inside and place.is_dir() else 404, "text/plain", b"not here\n")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        sent = 0
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for at in range(0, len(body) if self.command == "GET" else 0, 16_384):
                sent += self.wfile.write(body[at : at + 16_384])
        except OSError:
            self.close_connection = True
        self._log(status, sent)

    def _log(self, status: int, sent: int) -> None:
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        agent = self.headers.get("User-Agent", "-").replace('"', "\\x22")
        line = self.requestline.replace('"', "\\x22")
        log = self.server.log
        log.write(  # type: ignore[attr-defined]  # a text file, set by _python
            f'{self.client_address[0]} - - [{now}] "{line}" {status} {sent} "-" "{agent}"\n'
        )

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


def _listing(path: str, folder: Path) -> bytes:
    """The markup of nginx's autoindex."""
    rows = []
    for child in sorted(folder.iterdir(), key=lambda c: (c.is_file(), c.name)):
        name = html.escape(child.name) + ("/" if child.is_dir() else "")
        size = str(child.stat().st_size) if child.is_file() else "-"
        when = formatdate(child.stat().st_mtime, usegmt=True)[5:22]
        rows.append(f'<a href="{name}">{name}</a>  {when.replace(" ", "-", 2)}  {size}')
    title = f"Index of {html.escape(path)}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1><hr>"
        f'<pre><a href="../">../</a>\r\n'
        + "\r\n".join(rows)
        + "\r\n</pre><hr></body>\r\n</html>\r\n"
    ).encode()
