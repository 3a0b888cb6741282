"""One HTTP request that is bounded in time and knows the moment it can no longer be taken back.

A server acts on a request when it has the whole of it. So everything but the last byte is sent,
the caller is told (and writes down that the message is handed over), and then the last byte goes.
A process that is killed before that moment has told nobody; one that is killed after it has.
"""

from __future__ import annotations

import contextlib
import enum
import http.client
import queue
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

__all__ = ["Answer", "Fault", "Handed", "Refused", "Silent", "bounded", "post", "why"]

Handed = Callable[[], None]
_PORTS = {"http": 80, "https": 443}
_READ = 4096  # bytes of an answer that are looked at
_FORESEEN = (OSError, http.client.HTTPException, ValueError, EOFError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: the status and, if it asked for patience, the seconds."""

    status: int
    patience: float = 0.0


class Fault(enum.Enum):
    """What a refusal lies in, and so what is tried next.

    Attributes:
        WAY: The way there, or too much at once: tried again, and the channel's other messages wait.
        SERVICE: The service failed: tried again; it may fare better with another message.
        CHANNEL: Address, key or account: nothing of this channel is taken until it is mended.
        MESSAGE: This message: it is not taken as it is, others are.
    """

    WAY = enum.auto()
    SERVICE = enum.auto()
    CHANNEL = enum.auto()
    MESSAGE = enum.auto()


class Refused(Exception):  # noqa: N818 -- what happened, said as the sentence that needs it
    """The service did not take the message; nobody has seen it.

    Args:
        why: What was in the way, a sentence that names no secret.
        fault: What it lies in.
        patience: Seconds that the service asked us to wait.
    """

    def __init__(self, why: str, *, fault: Fault = Fault.WAY, patience: float = 0.0) -> None:
        self.why = why
        self.fault = fault
        self.patience = patience
        super().__init__(why)

    @property
    def final(self) -> bool:
        """Whether another attempt at once would end the same."""
        return self.fault in {Fault.CHANNEL, Fault.MESSAGE}


class Silent(Refused):
    """The service has the message, or has it not: the whole was handed over, no answer came."""


def post(url: str, body: bytes, headers: Mapping[str, str], handed: Handed, *, timeout: float
         ) -> Answer:  # fmt: skip
    """Send one POST request.

    Args:
        url: Where to; http or https. No redirect is followed: a secret belongs to its address.
        body: At least one byte.
        headers: Beyond those that HTTP needs.
        handed: Called once, before the last byte leaves. What it raises ends the request.
        timeout: Seconds for everything.

    Raises:
        Refused: It was not taken, with a sentence that names no secret.
        Silent: It was handed over and not answered.
    """
    return bounded(lambda tell: _post(url, body, headers, tell, timeout), handed, timeout)


def bounded(send: Callable[[Handed], Answer], handed: Handed, timeout: float) -> Answer:
    """Run ``send`` in a thread of its own, and wait for it no longer than ``timeout``.

    A server can keep each single wait of a connection short and the whole of it endless.
    """
    outcome: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
    gone = threading.Event()
    over = threading.Event()
    turn = threading.Lock()  # either it is handed over, or the time is up; never both at once

    def tell() -> None:
        with turn:
            if over.is_set():
                raise TimeoutError
            handed()
            gone.set()

    def run() -> None:
        found: Answer | Exception = RuntimeError()  # unless what is foreseen comes
        try:
            found = send(tell)
        except (*_FORESEEN, Refused) as error:
            found = error
        finally:
            outcome.put(found)

    threading.Thread(target=run, daemon=True, name="tallymark-alert").start()
    try:
        found = outcome.get(timeout=timeout)
    except queue.Empty:
        with turn:
            over.set()
        found = TimeoutError()
    if isinstance(found, Answer):
        return found
    if isinstance(found, Refused):
        raise found
    kind = Silent if gone.is_set() else Refused
    fault = Fault.CHANNEL if isinstance(found, ssl.SSLError) else Fault.WAY
    raise kind(why(found, timeout), fault=fault) from None


def why(error: Exception, timeout: float) -> str:
    """What was in the way, in words that hold no address and no key.

    Args:
        error: What was raised.
        timeout: Seconds that there were.
    """
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, ssl.SSLError):
        return f"no safe connection ({error.reason or 'TLS failed'})"
    if isinstance(error, socket.gaierror):
        return "its name leads nowhere (DNS)"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return f"connection failed ({type(error).__name__})"


def _post(url: str, body: bytes, headers: Mapping[str, str], handed: Handed, timeout: float
          ) -> Answer:  # fmt: skip
    parts = _parts(url)
    connection, target = _connection(parts, timeout)
    with contextlib.closing(connection):
        connection.putrequest("POST", target, skip_accept_encoding=True)
        given = {"Content-Type": "application/json", "Content-Length": str(len(body)),
                 "User-Agent": "tallymark", "Connection": "close",
                 **headers}  # fmt: skip
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        if body[:-1]:
            connection.send(body[:-1])
        handed()
        try:
            connection.send(body[-1:])
        except OSError as error:  # the other end has gone without the whole of it
            raise Refused(why(error, timeout)) from None
        answer = connection.getresponse()
        answer.read(_READ)
        return Answer(answer.status, _patience(answer.getheader("Retry-After")))


def _patience(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in _PORTS and parts.hostname and (parts.port or True)
    except ValueError:
        known = False
    if not known:
        raise Refused("its address is no http or https URL", fault=Fault.CHANNEL)
    return parts


def _connection(parts: SplitResult, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    """A connection, through the proxy that the environment names, and the request's target."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        through = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        at, door = through.hostname or "", through.port or _PORTS["http"]
        if parts.scheme == "https":
            secure = http.client.HTTPSConnection(at, door, timeout=timeout)
            secure.set_tunnel(host, port)
            return secure, target
        return http.client.HTTPConnection(at, door, timeout=timeout), parts.geturl()
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(host, port, timeout=timeout), target
