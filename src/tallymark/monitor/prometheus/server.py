"""An HTTP endpoint for Prometheus to scrape: ``/metrics`` and ``/-/healthy``.

It answers GET and HEAD, a bounded number at a time, each for a bounded time, and reads nothing
that a request says but its path and what it accepts.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from tallymark.errors import UsageError
from tallymark.monitor.prometheus.exporter import Exporter
from tallymark.monitor.prometheus.text import OPENMETRICS, PLAIN

__all__ = ["Server", "address", "is_loopback"]

HOST, PORT = "127.0.0.1", 9846
AT_ONCE = 8  # answers; one more is turned away
SILENCE = 5.0  # seconds that a client may keep us waiting for its next byte
LONGEST = 30.0  # seconds from the first byte of a request to the last of its answer
_TEXT = "text/plain; charset=utf-8"
_HOME = "Tallymark: metrics for Prometheus are at /metrics, and whether this runs at /-/healthy\n"
_LOOPBACK = frozenset({"localhost", "::1"})
_PORTS = 65_535


def address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``:PORT``, ``PORT`` or ``[IPV6]:PORT``; default loopback.

    Raises:
        UsageError: The text is none of these.

    >>> address("9000")
    ('127.0.0.1', 9000)
    >>> address("[::1]:9000")
    ('::1', 9000)
    """
    host, _, port = text.strip().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare and bare == host:
        host, port = "", ""  # an IPv6 address without its brackets
    if not (port.isascii() and port.isdigit() and int(port) <= _PORTS):
        raise UsageError(
            f"{text!r} is no address to serve at", fix=f"write it as {HOST}:{PORT} or :{PORT}"
        )
    return bare or HOST, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    return host in _LOOPBACK or host.startswith("127.")


class _Handler(BaseHTTPRequestHandler):
    """Answers one request and closes the connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = SILENCE

    def do_GET(self) -> None:
        """The metrics, or where they are."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            openmetrics = "application/openmetrics-text" in (self.headers.get("Accept") or "")
            text = self.server.exporter.scrape(openmetrics=openmetrics)
            self._answer(HTTPStatus.OK, text, OPENMETRICS if openmetrics else PLAIN)
        elif path == "/-/healthy":
            self._answer(HTTPStatus.OK, "Tallymark is healthy\n")
        elif path == "/":
            self._answer(HTTPStatus.OK, _HOME)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "not here; see /metrics\n")

    do_HEAD = do_GET  # noqa: N815 -- the name that http.server calls

    def _answer(self, status: HTTPStatus, text: str, kind: str = _TEXT) -> None:
        body = text.encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Our name; the version of Python is nobody's business."""
        return "tallymark"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
        """Nothing: one line a scrape would fill a disk."""


class Server(socketserver.ThreadingMixIn, HTTPServer):
    """Serves the metrics of an exporter until it is shut down.

    Args:
        host: A name or address of this machine.
        port: 0 takes one that is free.
        exporter: Whose metrics.

    Raises:
        UsageError: The address cannot be had.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, host: str, port: int, exporter: Exporter) -> None:
        self.exporter = exporter
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot serve at {host}:{port}: {getattr(error, 'strerror', None) or error}",
                fix="choose another address or port with --serve",
            ) from error

    def server_bind(self) -> None:
        """Bind, without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host = str(self.server_address[0])
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.server_port}/metrics"

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer in a thread of its own, or close at once what is one too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer, and hang up on a client that takes too long."""
        hang_up = threading.Timer(LONGEST, self.shutdown_request, (request,))
        hang_up.daemon = True
        hang_up.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            hang_up.cancel()
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that went away is not our trouble."""
