"""The files of a source: what they were like when it was read, and whether they changed since."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db.readers.format import Sign
from scaling.errors import ReadError

#: A file that was changed less than this ago may change again without its time or size telling.
_SETTLED_NS = 2_000_000_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class FileState:
    """A file as it was.

    Parameters
    ----------
    path : str
        Absolute.
    n_bytes, modified_ns : int
        Size in bytes; last change in nanoseconds since 1970.
    settled : bool
        Whether size and time tell if it changes.
    """

    path: str
    n_bytes: int
    modified_ns: int
    settled: bool


def files_of(path: Path, sign: Sign) -> list[Path]:
    """The files of a source, sorted; of a directory those below its entries, or all of it where none are named.

    Raises
    ------
    ReadError
        If a directory cannot be looked into.
    """
    if os.path.isfile(path):  # Path.is_file raises where a directory above may not be looked into
        return sorted({path, *(path.parent / name for name in sign.beside)})
    roots = [path / entry for entry in sign.entries] if sign.entries else [path]
    found: list[Path] = []
    for root in roots:
        if os.path.isfile(root):
            found.append(root)
            continue
        for folder, inside, names in os.walk(root, onerror=_refuse):
            inside.sort()
            found.extend(Path(folder) / name for name in names if os.path.isfile(os.path.join(folder, name)))
    return sorted(set(found))


def states_of(files: Sequence[Path]) -> list[FileState]:
    """Size and time of files, before they are read."""
    now = time.time_ns()
    states = []
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise ReadError(str(file), f"it cannot be read: {(error.strerror or str(error)).lower()}") from error
        settled = now - status.st_mtime_ns > _SETTLED_NS
        states.append(FileState(str(file.resolve()), status.st_size, status.st_mtime_ns, settled))
    return states


def fingerprint(path: Path, files: Sequence[Path]) -> str:
    """SHA-256 of the names and the bytes of files, hex; names count from the path of the source."""
    whole = hashlib.sha256()
    for file in files:
        one = hashlib.sha256()
        try:
            with file.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    one.update(block)
        except OSError as error:
            raise ReadError(str(file), f"it cannot be read: {(error.strerror or str(error)).lower()}") from error
        name = file.name if file == path else os.path.relpath(file, path if path.is_dir() else path.parent)
        whole.update(f"{len(name)}:{name}={one.hexdigest()};".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _refuse(error: OSError) -> None:
    raise ReadError(str(error.filename), f"it cannot be read: {(error.strerror or str(error)).lower()}")
