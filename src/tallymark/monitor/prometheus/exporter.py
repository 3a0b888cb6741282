"""Keeps the metrics of a warehouse at hand, and reads it again only when it has changed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from tallymark.config import Config
from tallymark.engine.warehouse import Warehouse, write_atomically
from tallymark.errors import TallymarkError
from tallymark.monitor.prometheus.collect import Collected, collect
from tallymark.monitor.prometheus.families import BY_NAME
from tallymark.monitor.prometheus.text import Metric, render
from tallymark.version import __version__

__all__ = ["Exporter", "leave_textfile"]

_READS, _FAILURES = "tallymark_exporter_reads", "tallymark_exporter_read_failures"


class Exporter:
    """The metrics of one warehouse.

    Args:
        folder: The warehouse folder, or a folder of exported tables.
        config: The shop's name, currency and time zone, and the engine's limits.

    Attributes:
        trouble: Why the warehouse could not be read the last time; empty if it could.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        self._warehouse = Warehouse(folder)
        self._config = config
        self._lock = threading.Lock()
        self._seen: object = None
        self._metrics: list[Metric] = []
        self._counts = {_READS: 0, _FAILURES: 0}
        self.trouble = ""

    def collect(self) -> Collected:
        """Read the warehouse now.

        Raises:
            WarehouseError: There is none, or it cannot be read.
        """
        limits = self._config.engine
        return collect(
            self._warehouse,
            self._config.shop,
            memory_limit=limits.memory_limit,
            threads=limits.threads,
        )

    def write(self, path: Path, collected: Collected | None = None) -> Collected:
        """Write a textfile, in one piece: a reader sees the old one or the new.

        Raises:
            WarehouseError: There is no warehouse; a file that is there stays as it is.
        """
        found = collected or self.collect()
        write_atomically(path, self.text(found))
        return found

    def text(self, collected: Collected) -> str:
        """Collected metrics as text that both of Prometheus' parsers read alike."""
        return render(collected.metrics.values(), self._config.shop.name)

    def scrape(self, *, openmetrics: bool) -> str:
        """The text for one scrape; ``tallymark_up`` is 0 while the warehouse cannot be read."""
        with self._lock:
            self._refresh()
            own = [Metric(BY_NAME[name], {(): float(n)}) for name, n in self._counts.items()]
            metrics = [*self._metrics, *own]
        return render(metrics, self._config.shop.name, openmetrics=openmetrics)

    def _refresh(self) -> None:
        seen = self._state()
        if self._metrics and not self.trouble and seen == self._seen:
            return
        self._counts[_READS] += 1
        try:
            self._metrics = list(self.collect().metrics.values())
            self.trouble = ""
        except (TallymarkError, OSError) as error:
            # A run may just have removed a file that was to be read; the next scrape tries again.
            self._counts[_FAILURES] += 1
            self.trouble = (str(error).splitlines() or [type(error).__name__])[0]
            self._metrics = [
                Metric(BY_NAME["tallymark_up"], {(): 0.0}),
                Metric(BY_NAME["tallymark_build_info"], {(__version__,): 1.0}),
            ]
        self._seen = seen

    def _state(self) -> tuple[Any, ...]:
        """What changes whenever the warehouse does, without opening it."""
        root = self._warehouse.root
        ledger = root / "ledger"
        places = [self._warehouse.catalog, *self._warehouse.exports().values(), ledger]
        if ledger.is_dir():
            places += sorted(one for one in ledger.iterdir() if one.is_dir())
        return tuple(_stamp(one) for one in places)


def leave_textfile(folder: Path, config: Config, home: Path) -> None:
    """Write the textfile that the configuration names, if it names one and there is a warehouse.

    Args:
        folder: The warehouse folder.
        config: Its ``exports.prometheus`` is relative to ``home``.
        home: The folder of the configuration.
    """
    name = config.exports.prometheus
    if name is not None and Warehouse(folder).catalog.is_file():
        Exporter(folder, config).write(home / name)


def _stamp(path: Path) -> tuple[Any, ...]:
    try:
        found = path.stat()
    except OSError:
        return (path.name,)
    return (path.name, found.st_mtime_ns, found.st_size, found.st_ino)
