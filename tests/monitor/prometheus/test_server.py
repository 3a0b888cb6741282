from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.config import Config
from tallymark.errors import UsageError
from tallymark.monitor.prometheus import server as module
from tallymark.monitor.prometheus.exporter import Exporter
from tallymark.monitor.prometheus.server import Server, address, is_loopback
from tallymark.monitor.prometheus.text import OPENMETRICS, PLAIN
from tests.monitor.prometheus.tools import fetch

NEWER = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.6,*/*;q=0.1"


@contextlib.contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    """A server on a free port of this machine."""
    server = Server(host, 0, Exporter(folder, Config()))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(
    server: Server, path: str, method: str = "GET", accept: str = "*/*"
) -> tuple[int, str, str]:
    """Status, content type and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, headers={"Accept": accept})
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.getheader("Connection") == "close"
        assert "Python" not in (answer.getheader("Server") or "")
        return answer.status, answer.getheader("Content-Type") or "", body
    finally:
        connection.close()


def test_metrics_come_in_the_form_that_is_asked_for(output: Path) -> None:
    """Prometheus asks for OpenMetrics; whoever does not gets the older format."""
    with serving(output / "warehouse") as server:
        status, kind, text = ask(server, "/metrics", accept=NEWER)
        assert (status, kind) == (200, OPENMETRICS)
        assert "# TYPE tallymark_exporter_reads counter" in text
        status, kind, text = ask(server, "/metrics?a=b")
        assert (status, kind) == (200, PLAIN)
        assert "# TYPE tallymark_exporter_reads_total counter" in text
        assert text.endswith("# EOF\n")
        assert ask(server, "/metrics", "HEAD")[2] == ""


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/-/healthy", "GET", 200),
        ("/", "GET", 200),
        ("/metrics/", "GET", 404),
        ("/../etc/passwd", "GET", 404),
        ("/metrics", "POST", 501),
        ("/metrics", "DELETE", 501),
    ],
)
def test_other_paths_and_methods(tmp_path: Path, path: str, method: str, status: int) -> None:
    """It says that it runs, where the metrics are, and nothing else."""
    with serving(tmp_path) as server:
        assert ask(server, path, method)[0] == status


def test_it_runs_without_a_warehouse(tmp_path: Path) -> None:
    """It may be started before the first run; the metrics say that nothing can be read."""
    with serving(tmp_path / "nowhere") as server:
        status, _, text = ask(server, "/metrics")
        assert (status, 'tallymark_up{shop="Shop"} 0\n' in text) == (200, True)


def test_silent_clients_keep_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What opens connections and says nothing is hung up on; one too many is closed at once."""
    monkeypatch.setattr(module._Handler, "timeout", 0.5)
    with serving(tmp_path) as server, contextlib.ExitStack() as stack:
        place = ("127.0.0.1", server.server_port)
        silent = [
            stack.enter_context(socket.create_connection(place, timeout=10))
            for _ in range(module.AT_ONCE)
        ]
        time.sleep(0.1)
        extra = stack.enter_context(socket.create_connection(place, timeout=10))
        assert extra.recv(1) == b""
        assert [one.recv(1) for one in silent] == [b""] * len(silent)
        assert fetch(f"http://127.0.0.1:{server.server_port}/-/healthy", until="healthy")


def test_a_client_that_trickles_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then does not hold a place for ever."""
    monkeypatch.setattr(module, "LONGEST", 0.3)
    with serving(tmp_path) as server:
        place = ("127.0.0.1", server.server_port)
        with socket.create_connection(place, timeout=10) as slow:
            slow.sendall(b"GET /metrics HTTP/1.1\r\n")
            assert slow.recv(1) == b""
        assert ask(server, "/-/healthy")[0] == 200


def test_many_scrapes_at_once_read_the_warehouse_once(output: Path) -> None:
    """Scrapes wait for the one that reads, and all get the same text."""
    with serving(output / "warehouse") as server:
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(ask(server, "/metrics")[2]))
            for _ in range(module.AT_ONCE // 2)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert len(set(found)) == 1
        assert 'tallymark_exporter_reads_total{shop="Shop"} 1\n' in found[0]


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    """Two servers cannot have one port; a host must be this machine's."""
    exporter = Exporter(tmp_path, Config())
    with serving(tmp_path) as server, pytest.raises(UsageError, match="cannot serve") as error:
        Server("127.0.0.1", server.server_port, exporter)
    assert "--serve" in error.value.fix
    with pytest.raises(UsageError, match="cannot serve"):
        Server("203.0.113.1", 0, exporter)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9000", ("127.0.0.1", 9000)),
        (":9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:9000", ("0.0.0.0", 9000)),  # noqa: S104 -- only read
        ("[::1]:0", ("::1", 0)),
        (" shop.example:1 ", ("shop.example", 1)),
    ],
)
def test_addresses_are_read(text: str, found: tuple[str, int]) -> None:
    """Without a host it is this machine alone."""
    assert address(text) == found


@pytest.mark.parametrize(
    "text", ["", "here", "1.2.3.4", "::1:80:", "a:-1", "a:65536", "::1", "a:²"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The sentence says how to write one."""
    with pytest.raises(UsageError, match="no address"):
        address(text)


def test_only_this_machine_is_loopback() -> None:
    """Whoever serves to others is told so."""
    assert all(is_loopback(one) for one in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    assert not any(is_loopback(one) for one in ("0.0.0.0", "::", "10.0.0.1"))  # noqa: S104


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_the_command_serves_until_it_is_told_to_stop(
    output: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """It says where as JSON, answers, and ends with 0 and nothing else said."""
    words = ("export", "prometheus", "--warehouse", output / "warehouse", "--serve", ":0", "--json")
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tallymark", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    lines = "".join(iter(process.stdout.readline, "}\n"))
    url = json.loads(lines + "}")["url"]
    assert 'tallymark_up{shop="Shop"} 1' in fetch(url)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
