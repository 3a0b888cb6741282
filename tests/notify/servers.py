"""Services on the loopback that take, refuse, hang or answer with an error."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Mailbox", "Service", "mail_server", "service"]


@dataclass
class Service:
    """What an HTTP service has taken, and how it answers from now on.

    Attributes:
        url: Its address.
        answers: Statuses to give, first to last; the last one for ever. 0 hangs.
        taken: Bodies of the requests that came whole, as JSON.
        headers: Their headers.
        calls: Whole requests, whatever they were answered.
        settle: Waits until it is done with all who came.
        poison: Statuses given instead to whatever names an incident.
        slow: Whether it takes a message and answers too late.
        over: Set when the service is about to go.
        first: Set when something was taken.
    """

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    taken: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    calls: int = 0
    settle: Callable[[], None] = lambda: None
    poison: dict[str, int] = field(default_factory=dict)
    slow: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    first: threading.Event = field(default_factory=threading.Event)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Answer a whole request."""
        self.calls += 1
        status = self.answers.pop(0) if self.answers[1:] else self.answers[0]
        bad = [answer for name, answer in self.poison.items() if name.encode() in body]
        status = bad[0] if bad else status
        if status == 0:
            self.over.wait(30)
        elif status < 300:
            self.taken.append(json.loads(body))
            self.headers.append(headers)
            self.first.set()
            while self.slow and not self.over.wait(0.01):
                pass
        return status


class _Settling(socketserver.ThreadingMixIn):
    """A server that can say when it is done with everybody who came."""

    daemon_threads = True
    block_on_close = False
    there = 0
    counting = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Somebody came."""
        with self.counting:
            self.there += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Somebody is served, and goes."""
        super().process_request_thread(request, client_address)
        with self.counting:
            self.there -= 1
            self.counting.notify_all()

    def settle(self) -> None:
        """Wait until all who came before have gone: they are let in one after the other."""
        with socket.create_connection(self.server_address[:2], timeout=30) as last:  # type: ignore[attr-defined]
            last.shutdown(socket.SHUT_WR)
            while last.recv(100):
                pass
        with self.counting:
            self.counting.wait_for(lambda: self.there == 0, timeout=30)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server."""


class _Server(_Settling, ThreadingHTTPServer):
    pass


@contextlib.contextmanager
def service(*answers: int) -> Iterator[Service]:
    """An HTTP service on the loopback."""
    found = Service(answers=list(answers) or [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # the client went away in the middle: nothing was asked
            status = found.take(body, dict(self.headers))
            if status == 0:
                return
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    found.settle = server.settle
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook/s3cret"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """Mails that a server has taken over."""

    host: str = "127.0.0.1"
    port: int = 0
    mails: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    settle: Callable[[], None] = lambda: None


@contextlib.contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A mail server on the loopback that speaks as much SMTP as a client needs."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                box.commands.append(line)
                if line == "DATA":
                    self.say("354 go on")
                    mail = []
                    while (one := self.rfile.readline()) != b".\r\n":
                        if not one:
                            return  # never ended: never taken over
                        mail.append(one.decode())
                    end = box.answers.get(".", "250 ok")
                    if end.startswith("2"):
                        box.mails.append("".join(mail))
                    self.say(end)
                    continue
                self.say(box.answers.get(line[:4].upper(), "250 ok"))

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    class Server(_Settling, socketserver.TCPServer):
        pass

    server = Server(("127.0.0.1", 0), Handler)
    box.settle = server.settle
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
