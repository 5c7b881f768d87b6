"""Opening a DuckDB file: settings, waiting for the lock, and what to say when it cannot be opened."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import duckdb

from scaling.errors import StoreError

#: Files carry the format of DuckDB 1.5, which both 1.5 and 2.0 read and write.
STORAGE_VERSION = "v1.5.0"
MEMORY = ":memory:"

# No extension is ever fetched, so a machine without a network fails fast; and SQL never reads Python variables.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_LOCK = re.compile(r"[Cc]onflicting lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")


def connect(path: str, *, read_only: bool, lock_timeout: float) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, waiting for its lock.

    Parameters
    ----------
    path : str
        The file, or ``:memory:``.
    read_only : bool
        Open for reading only; any number of processes may, while none writes.
    lock_timeout : float
        Seconds to wait while another process holds the lock.

    Returns
    -------
    duckdb.DuckDBPyConnection

    Raises
    ------
    StoreError
        If the file is locked, missing, damaged, foreign or may not be opened.
    """
    settings = dict(_SETTINGS)
    settings["threads"] = processors()
    if not read_only:
        settings["storage_compatibility_version"] = STORAGE_VERSION
    # The prefix stops DuckDB from guessing by the name or the content: a CSV or SQLite file is an error, not a view.
    target = MEMORY if path == MEMORY else f"duckdb:{path}"
    if path != MEMORY:
        settings["temp_directory"] = f"{path}.tmp"  # DuckDB 1.5 would derive it with the prefix
    deadline = time.monotonic() + lock_timeout
    pause = 0.02
    while True:
        try:
            return duckdb.connect(target, read_only=read_only, config=settings)
        except duckdb.Error as error:
            wait = min(pause, deadline - time.monotonic())
            if wait <= 0 or "lock" not in str(error) or "PID" not in str(error):
                raise open_error(path, error, read_only=read_only) from error
        time.sleep(wait)
        pause = min(2 * pause, 0.5)


def processors() -> int:
    """Processors that this process may use; DuckDB would take all there are, and its threads hinder each other then."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_error(  # noqa: PLR0911 - one return a cause
    path: str, error: duckdb.Error, *, read_only: bool
) -> StoreError:
    """Say why a file could not be opened, and what to do.

    Parameters
    ----------
    path : str
        The file.
    error : duckdb.Error
        What DuckDB said.
    read_only : bool
        Whether it was to be opened for reading only.

    Returns
    -------
    StoreError
    """
    text = str(error)
    file = Path(path)
    lock = _LOCK.search(text)
    if lock:
        pid = int(lock["pid"])
        return StoreError(
            f"The store {path} is locked by process {pid} ({_command(pid) or Path(lock['program']).name}).",
            "Wait for it to finish, or close the store there: a notebook holds it until store.close(). "
            "Then run this again, or name another store with --db.",
        )
    if "set lock" in text:
        return StoreError(
            f"The store {path} is locked by another process, which the system does not name.",
            "Close the program that has it open, then run this again.",
        )
    if "different configuration" in text or "already attached" in text:
        return StoreError(
            f"The store {path} is already open in this process, with another mode.",
            "Use the store that is open, or close it first.",
        )
    if file.is_dir():
        return StoreError(f"{path} is a directory, not a store.", "Name a file in it, such as scaling.duckdb.")
    if not file.exists() and (read_only or not file.parent.exists()):
        return missing_error(path)
    if "No space left" in text:
        return disk_full_error(path)
    if "Permission denied" in text or not os.access(path, os.R_OK if read_only else os.R_OK | os.W_OK):
        if not file.exists():
            return StoreError(
                f"No store can be made in the folder {file.parent}: permission denied.",
                "Change the folder's permissions, or name another file with --db.",
            )
        verb = "read" if read_only else "written"
        return StoreError(f"The store {path} cannot be {verb}: permission denied.", "Change its permissions.")
    if "not a valid DuckDB database" in text:
        return StoreError(
            f"{path} is not a DuckDB database{_looks_like(file)}.",
            "Name a store with --db (or SCALING_DB). Logs go into one with: scaling ingest FILE.",
        )
    if "version number" in text:
        return StoreError(
            f"{path} is a DuckDB database in a storage format that this DuckDB ({duckdb.__version__}) cannot read.",
            "Upgrade duckdb, or write the file again with storage_compatibility_version 'v1.5.0'.",
        )
    return damaged_error(path, error)


def damaged_error(path: str, why: duckdb.Error | str) -> StoreError:
    """Say that a store is truncated or damaged."""
    detail = str(why).strip().splitlines()[0].removeprefix("IO Error: ")
    return StoreError(
        f"The store {path} is truncated or damaged: {detail}",
        "Restore it from a backup, or delete it and ingest the logs again. A copy needs the .wal file beside it.",
    )


def missing_error(path: str) -> StoreError:
    """Say that a store is not there."""
    parent = Path(path).parent
    if not parent.exists():
        return StoreError(f"There is no directory {parent} for the store {path}.", "Make it first.")
    return StoreError(
        f"There is no store {path}.",
        "Make one by ingesting logs: scaling ingest FILE. Or name another with --db (or SCALING_DB).",
    )


def disk_full_error(path: str) -> StoreError:
    """Say that the disk is full."""
    return StoreError(
        f"The disk of the store {path} is full; nothing was changed.",
        "Free some space, or move the store (with its .wal file) to another disk, then run this again.",
    )


def _command(pid: int) -> str | None:
    """Command line of a process, where the system tells."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    words = [word for word in raw.decode(errors="replace").split("\0") if word]
    if not words:
        return None
    text = " ".join([Path(words[0]).name, *words[1:]]).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _looks_like(file: Path) -> str:
    """Name the kind of a file by its first bytes, for the message."""
    try:
        with file.open("rb") as stream:
            head = stream.read(16)
    except OSError:
        return ""
    if not head:
        return " (the file is empty)"
    if head.startswith(b"SQLite format 3"):
        return " but an SQLite database"
    if head.startswith(b"PAR1"):
        return " but a Parquet file"
    return " but a text file" if all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head) else ""
