"""Where a project reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallymark.config import Config, place
from tallymark.errors import ConfigError, UsageError

__all__ = ["Paths"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a project reads and writes. Every stage runs on the ones it needs alone."""

    home: Path
    source: str | None
    warehouse: Path
    reports: Path
    quarantine: Path
    contract: Path
    check_rules: Path
    monitor_rules: Path
    models: Path

    @property
    def written(self) -> tuple[Path, Path, Path]:
        """The folders that a run writes to: what lies in them was not delivered."""
        return self.warehouse, self.reports, self.quarantine

    @classmethod
    def of(
        cls,
        settings: Config,
        file: Path,
        *,
        output: Path,
        source: str | None = None,
        warehouse: str | Path | None = None,
        reports: str | Path | None = None,
        rules: str | Path | None = None,
    ) -> Paths:
        """The paths of a configuration; whatever is not given has a default.

        Args:
            settings: The configuration.
            file: Its file, whether or not it is there: paths in it are relative to its folder.
            output: Folder for warehouse, reports and quarantine.
            source: Folder, file or pattern of deliveries; ``input`` of the configuration else.
            warehouse: The warehouse folder, if elsewhere.
            reports: The report folder, if elsewhere.
            rules: The rules of the stage that is about to run.

        Raises:
            ConfigError: The configuration names a file that is not there.
            UsageError: There are no such rules.
        """
        base = file.parent
        _refuse_lost(settings, file)
        report_folder = Path(reports) if reports is not None else output / "reports"
        return cls(
            home=base,
            source=source or (str(base / settings.input) if settings.input else None),
            warehouse=Path(warehouse) if warehouse is not None else output / "warehouse",
            reports=report_folder,
            quarantine=_quarantine_beside(report_folder),
            contract=base / settings.contract,
            check_rules=_asked_for(rules) or base / settings.check_rules,
            monitor_rules=_asked_for(rules) or base / settings.monitor_rules,
            models=base / "models",
        )


def _refuse_lost(settings: Config, file: Path) -> None:
    """A file that the configuration names must be there; a default that is not is shipped."""
    for key in ("contract", "check_rules", "monitor_rules"):
        named = getattr(settings, key)
        if key in settings.model_fields_set and not (file.parent / named).is_file():
            raise ConfigError(
                f"{key}: no such file: {named}",
                where=place(file, key),
                fix="mend the path, which is relative to this file, or leave the key out",
            )


def _asked_for(rules: str | Path | None) -> Path | None:
    if rules is None:
        return None
    path = Path(rules)
    if not path.is_file():
        raise UsageError("no such rules file", where=str(path))
    return path


def _quarantine_beside(reports: Path) -> Path:
    """`quarantine/` beside a folder named `reports`, inside a folder of any other name."""
    return reports.parent / "quarantine" if reports.name == "reports" else reports / "quarantine"
