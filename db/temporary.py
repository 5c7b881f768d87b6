"""Temporary files and folders that tell whose they are, so that what a killed process left goes at the next start."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import tempfile
from functools import cache
from pathlib import Path


def temporary_folder(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """Make a temporary folder.

    Parameters
    ----------
    purpose : str
        A word for its name.

    Returns
    -------
    tempfile.TemporaryDirectory
        To be used with ``with``, or cleaned up.
    """
    _sweep_once(tempfile.gettempdir())
    return tempfile.TemporaryDirectory(prefix=_prefix(purpose))


def temporary_file(purpose: str) -> Path:
    """Make an empty temporary file, which whoever asked for it deletes; `purpose` is a word for its name."""
    _sweep_once(tempfile.gettempdir())
    number, name = tempfile.mkstemp(prefix=_prefix(purpose))
    os.close(number)
    return Path(name)


def _prefix(purpose: str) -> str:
    return f"scaling-{purpose}-{_place()}-{os.getpid()}-"


@cache
def _place() -> str:
    """The machine, and which of its processes are numbered together: in a container 17 is another process."""
    try:
        space = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:  # no Linux
        space = ""
    return f"{re.sub(r'[^A-Za-z0-9.-]', '', socket.gethostname())}.{space}"


@cache
def _sweep_once(folder: str) -> None:
    sweep(Path(folder))


def sweep(folder: Path) -> list[Path]:
    """Delete what processes of this user on this machine left here and can no longer delete themselves.

    Parameters
    ----------
    folder : Path
        Where temporary files lie.

    Returns
    -------
    list of Path
        What was there of processes that are gone.
    """
    if os.name != "posix":  # elsewhere, asking whether a process runs may end it
        return []
    ours = re.compile(rf"scaling-[a-z]+-{re.escape(_place())}-(\d{{1,10}})-\w+\Z")
    left = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if (match := ours.match(entry.name)) and _is_mine(entry) and not _runs(int(match[1])):
                    left.append(Path(entry.path))
    except OSError:  # nobody asked for a sweep, so none that fails is an error
        return []
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return left


def _is_mine(entry: os.DirEntry[str]) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return status.st_uid == os.getuid() and not stat.S_ISLNK(status.st_mode)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or no number of a process
        return True
    return True
