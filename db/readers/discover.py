"""Finding the logs below a path: which files and directories are sources, and of which format."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db.readers.format import Format, Level, Sign
from db.readers.sniff import best_signs, check_apart, sniff
from db.readers.text import guarded
from scaling.errors import InputDataError, ReadError

#: Directories that hold no logs, whatever stands in them.
SKIPPED = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "site-packages", ".ipynb_checkpoints", ".trash"}
)
_NO_FILE = "it is a pipe or a device"
_ADDRESS = re.compile(r"(?<=\w):/(?!/)")


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
            return self.shown
        return f"{self.path.resolve()}{f'#{self.format.NAME}' if self.sign.entries else ''}"

    @property
    def shown(self) -> str:
        """The path as people wrote it; of an address a path has lost a slash."""
        return _ADDRESS.sub("://", str(self.path), count=1) if self.sign.level == Level.ADDRESS else str(self.path)

    @property
    def main_files(self) -> list[Path]:
        """What it reads: the entries of a directory, or the file or directory itself."""
        return [(self.path / entry).resolve() for entry in self.sign.entries] or [self.path.resolve()]

    @property
    def label(self) -> str:
        """Where it lies below the root, without the ending of its name: what a run is called that has no name."""
        below = self.path.relative_to(self.root) if self.path != self.root else Path(self.path.resolve().name or "/")
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

    def __str__(self) -> str:
        return self.why if self.why.startswith(str(self.path)) else f"{self.path}: {self.why}"


def discover(root: Path, wanted: str | None = None) -> Iterator[Source | Unread]:
    """Find the sources below a path.

    Parameters
    ----------
    root : Path
        A file or a directory. Directories are walked in the order of their names. Links are followed last, and only
        where they lead out of what was walked.
    wanted : str, optional
        Format that the path is said to be of; below a directory, what is of no such format is left out.

    Yields
    ------
    Source or Unread

    Raises
    ------
    InputDataError
        If there is no such path, it cannot be read, or it is not of the wanted format.
    """
    if is_address(root):
        for one, sign in sniff(root, wanted):
            yield Source(root, one, sign, root)
            return
    if not os.path.exists(root):
        raise _not_there(root)
    if os.path.isdir(root):
        yield from _walk(root, wanted)
    elif os.path.isfile(root):
        with guarded(root):
            found = sniff(root, wanted)
        yield Source(root, *found[0], root) if found else Unread(root, "no format is known by it", known=False)
    else:
        raise ReadError(str(root), f"{_NO_FILE}, and logs are read twice", hint="Write it to a file first.")


def is_address(path: Path) -> bool:
    """Whether it is asked over the network, and no path that there is."""
    return ":/" in str(path) and not os.path.lexists(path)


def _not_there(root: Path) -> InputDataError:
    try:
        near = sorted(os.listdir(root.parent))[:5]
    except OSError:
        near = []
    what = "The link leads nowhere:" if root.is_symlink() else "There is no file"
    return InputDataError(f"{what} {root}.", f"There is: {', '.join(near)}." if near else "Check the path.")


def _walk(root: Path, wanted: str | None) -> Iterator[Source | Unread]:
    home = root.resolve()
    met: set[tuple[int, int]] = set()
    links: list[Path] = []
    waiting = [root]
    while waiting or links:
        if not waiting:
            link = links.pop(0)
            if not _leads_out(link, home):
                continue
            if not link.is_dir():
                yield from _file(link, root, wanted)
                continue
            waiting.append(link)
        directory = waiting.pop()
        try:
            status = directory.stat()
            if (status.st_dev, status.st_ino) in met:
                continue
            met.add((status.st_dev, status.st_ino))
            with os.scandir(directory) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            yield Unread(directory, _why(error))
            continue
        taken: set[str] = set()
        found = _sniffed(directory, wanted)
        if isinstance(found, Unread):
            if found.known:  # several formats want the same of it: whoever says which of them gets all
                yield found
                continue
            found = []
        for one, sign in found:
            yield Source(directory, one, sign, root)
            taken |= {entry.split("/")[0] for entry in sign.entries}
        if any(not sign.entries for _, sign in found):
            continue  # all of it is read
        below: list[Path] = []
        for entry in entries:
            path = directory / entry.name
            if entry.name in taken or entry.name in SKIPPED:
                continue
            if entry.is_symlink():
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                below.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield from _file(path, root, wanted)
            else:
                yield Unread(path, _NO_FILE, known=False)
        waiting += reversed(below)


def _leads_out(link: Path, home: Path) -> bool:
    """Whether a link leads to something that the walk of a directory does not meet, or meet again."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in circles
        return False
    return target.exists() and not target.is_relative_to(home) and not home.is_relative_to(target)


def _file(path: Path, root: Path, wanted: str | None) -> Iterator[Source | Unread]:
    found = _sniffed(path, wanted)
    yield found if isinstance(found, Unread) else Source(path, *found[0], root)


def _sniffed(path: Path, wanted: str | None) -> list[tuple[Format, Sign]] | Unread:
    """The format of a path among others; what cannot be told is left out with its reason."""
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return Unread(path, _NO_FILE, known=False)
        found = [(one, sign) for one, sign in best_signs(path) if wanted in (None, one.NAME)]
        if wanted is None:
            check_apart(path, found)
    except OSError as error:
        return Unread(path, _why(error))
    except InputDataError as error:
        return Unread(path, str(error))
    return found or Unread(path, "no format is known by it", known=False)


def _why(error: OSError) -> str:
    return f"it cannot be read: {(error.strerror or str(error)).lower()}"
