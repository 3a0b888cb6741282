"""The command line: commands, exit codes, and nothing else. Data to stdout, talk to stderr."""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback

import click

from tallymark.cli import (
    alerts,
    backtesting,
    channels,
    compiling,
    contract,
    export,
    incidents,
    model,
    quarantine,
    stages,
)
from tallymark.cli.options import cli, complain
from tallymark.errors import TallymarkError

__all__ = [
    "alerts", "backtesting", "channels", "cli", "compiling", "contract", "export", "incidents",
    "main", "model", "quarantine", "stages",
]  # fmt: skip

STOPPED = 130  # as shells say it of a program that was interrupted
INTERRUPTED = ("Query interrupted", "INTERRUPT Error")  # as DuckDB says it, in a query of its own


def _misused(error: click.ClickException) -> None:
    """What click says of a wrong command line, in the form of every other error."""
    context = getattr(error, "ctx", None)
    if context is None or isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    complain(f"{error.format_message()}\n  fix: see `{context.command_path} --help`")


def _stopped() -> int:
    complain("stopped; run again to go on")
    return STOPPED


def _unwritable(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        from tallymark.engine.room import disk_full  # noqa: PLC0415 -- loads DuckDB

        return str(disk_full(error))
    return (
        f"{where}{error.strerror or error}\n"
        "  fix: see to that file or folder, or choose another with --output"
    )


def _run() -> int:
    """Run the command line; returns the exit code. What went wrong is said in a sentence."""
    try:
        return int(cli(prog_name="tallymark", standalone_mode=False) or 0)
    except click.ClickException as error:
        _misused(error)
    except click.Abort:
        return _stopped()
    except TallymarkError as error:
        complain(str(error))
    except BrokenPipeError:
        # Whoever read the output wants no more of it; the interpreter must not flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if os.environ.get("TALLYMARK_DEBUG"):
            traceback.print_exc()
        complain(_unwritable(error))
    except Exception as error:  # noqa: BLE001 -- the last resort: say it, do not throw it at users
        if str(error).startswith(INTERRUPTED):
            return _stopped()
        if os.environ.get("TALLYMARK_DEBUG"):
            traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        complain(
            f"internal error: {type(error).__name__}: {first}\n"
            "  fix: please report this; TALLYMARK_DEBUG=1 shows where it happened"
        )
    return 2


def main() -> None:
    """Run the command line. An error is one or two lines and exit code 2, never a traceback."""
    # A run is short and makes few cycles; looking for them all the time costs 3 % of it.
    gc.set_threshold(200_000, 20, 20)
    # Nothing here multiplies large matrices: the threads of linear algebra would only wait, busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        code = _run()
    except SystemExit as done:
        if not isinstance(done.code, int):
            raise
        code = done.code
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        raise SystemExit(code or 2) from None
    # All is written and closed. Taking a large run's memory apart object by object takes a fifth
    # of a second; the system takes it back at once.
    os._exit(code)
