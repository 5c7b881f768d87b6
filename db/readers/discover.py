"""Finding the logs below a path: which files and directories are sources, and of which format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db.readers.format import Format, Level, Sign
from db.readers.sniff import sniff
from scaling.errors import InputDataError

#: Directories that hold no logs, whatever stands in them.
SKIPPED = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "site-packages", ".ipynb_checkpoints", ".trash"}
)


@dataclass(frozen=True)
class Source:
    """A log.

    Parameters
    ----------
    path : Path
        File or directory.
    format : Format
        Its format.
    sign : Sign
        How that is known.
    root : Path
        The path that was asked for; runs without a name of their own are named by where they lie below it.
    """

    path: Path
    format: Format
    sign: Sign
    root: Path

    @property
    def uri(self) -> str:
        """What the store calls it: its absolute path, with the format where others may read the rest of a directory."""
        if self.sign.level == Level.ADDRESS:
            return str(self.path)
        return f"{self.path.resolve()}{f'#{self.format.NAME}' if self.sign.entries else ''}"

    @property
    def label(self) -> str:
        """Where it lies below the root, without the ending of its name: what a run is called that has no name."""
        below = self.path.relative_to(self.root) if self.path != self.root else Path(self.path.name)
        if self.path.is_dir() or not below.name.strip("."):
            return below.as_posix()
        stem = below.name
        for ending in (".gz", below.with_suffix("").suffix if below.suffix == ".gz" else below.suffix):
            stem = stem.removesuffix(ending) or stem
        return below.with_name(stem).as_posix()


@dataclass(frozen=True)
class Unread:
    """A path that is no source, and why.

    Parameters
    ----------
    path : Path
        File or directory.
    why : str
        Why it was not read.
    known : bool
        False where it is merely of no format that is known, as most files of a directory are.
    """

    path: Path
    why: str
    known: bool = True


def discover(root: Path, wanted: str | None = None) -> Iterator[Source | Unread]:
    """Find the sources below a path.

    Parameters
    ----------
    root : Path
        A file or a directory. Directories are walked in the order of their names; a directory that was met before, by
        a link, is not walked again.
    wanted : str, optional
        Format that the path is said to be of; below a directory, what is of no such format is left out.

    Yields
    ------
    Source or Unread

    Raises
    ------
    InputDataError
        If there is no such path, or it is not of the wanted format.
    """
    if not root.exists():
        for one, sign in sniff(root, wanted) if ":/" in str(root) else []:
            yield Source(root, one, sign, root)
            return
        near = sorted(entry.name for entry in root.parent.iterdir())[:5] if root.parent.is_dir() else []
        raise InputDataError(
            f"There is no file {root}.", f"There is: {', '.join(near)}." if near else "Check the path."
        )
    if not root.is_dir():
        found = sniff(root, wanted)
        yield Source(root, *found[0], root) if found else Unread(root, "no format is known by it", known=False)
        return
    yield from _walk(root, root, wanted, set())


def _walk(directory: Path, root: Path, wanted: str | None, met: set[tuple[int, int]]) -> Iterator[Source | Unread]:
    try:
        status = directory.stat()
        if (status.st_dev, status.st_ino) in met:
            yield Unread(directory, "it is a link to a directory that was walked")
            return
        met.add((status.st_dev, status.st_ino))
        names = sorted(os.listdir(directory))
    except OSError as error:
        yield Unread(directory, _why(error))
        return
    taken: set[str] = set()
    found = _sniffed(directory, wanted)
    if isinstance(found, Unread):
        if found.known:  # several formats want the same of it: whoever says which of them gets all
            yield found
            return
        found = []
    for one, sign in found:
        yield Source(directory, one, sign, root)
        if not sign.entries:
            return
        taken |= {entry.split("/")[0] for entry in sign.entries}
    for name in names:
        path = directory / name
        if name in taken or name in SKIPPED:
            continue
        if path.is_dir():
            yield from _walk(path, root, wanted, met)
        elif path.is_file():
            found = _sniffed(path, wanted)
            yield found if isinstance(found, Unread) else Source(path, *found[0], root)
        else:
            yield Unread(path, "it is no file", known=path.is_symlink())


def _sniffed(path: Path, wanted: str | None) -> list[tuple[Format, Sign]] | Unread:
    """The format of a path among others; what cannot be told is left out with its reason."""
    try:
        found = sniff(path)
    except OSError as error:
        return Unread(path, _why(error))
    except InputDataError as error:
        return Unread(path, str(error))
    found = [(one, sign) for one, sign in found if wanted in (None, one.NAME)]
    return found or Unread(path, "no format is known by it", known=False)


def _why(error: OSError) -> str:
    return f"it cannot be read: {(error.strerror or str(error)).lower()}"
