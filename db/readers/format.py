"""What a format is: the module that one more of them has to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

from db.readers.found import Found
from db.readers.probe import Probe


class Level(IntEnum):
    """How good a sign of a format is; the best level that any format reaches decides."""

    ADDRESS = 0  # no path at all: something that is asked over the network
    DIRECTORY = 1  # names in a directory
    MAGIC = 2  # first bytes
    KEYS = 3  # keys of JSON, names of columns, tables of a database
    TEXT = 4  # patterns of lines
    ENDING = 5  # nothing but the ending of the name


@dataclass(frozen=True)
class Sign:
    """Why a path is of a format.

    Parameters
    ----------
    level : Level
        How good the sign is.
    why : str
        The sign, as a clause: ``"it begins with :W&B"``.
    entries : tuple of str
        Of a directory: the entries in it that the format reads; the others are looked at by themselves. Empty where it
        reads all of it.
    beside : tuple of str
        Of a file: what else is read, by its path from the directory of the file.
    """

    level: Level
    why: str
    entries: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """Where a format keeps one thing that it says of a run.

    Parameters
    ----------
    name : str
        What it becomes: a metric, a setting, or a part of `RunFound`.
    path : str
        Where it stands in the log: a key, a column, a path of keys with dots, or the name of a group in a pattern.
    unit : str, default "unknown"
        Its unit there.
    required : bool, default False
        Whether a log without it cannot be read.
    factor : float, default 1.0
        What it is multiplied with.
    """

    name: str
    path: str
    unit: str = "unknown"
    required: bool = False
    factor: float = 1.0


class Format(Protocol):
    """A module that reads one format.

    Attributes
    ----------
    NAME : str
        What ``--format`` calls it.
    WHAT : str
        What it is, in a few words.
    READS, LEAVES_OUT : str
        What is read of it and what is not, as sentences for the table of formats.
    TRIED : str
        The versions of the tool whose own files are read in the tests, or "from documentation".
    FIELDS : sequence of Field
        Where things stand in it.
    UPSERTS : bool
        True where a later value of a step replaces the earlier one and nothing else; False where a step that goes back
        means that the run was started again from there.
    """

    NAME: str
    WHAT: str
    READS: str
    LEAVES_OUT: str
    TRIED: str
    FIELDS: Sequence[Field]
    UPSERTS: bool

    def sniff(self, probe: Probe) -> Sign | None:
        """Say whether a path is of this format, and by which sign; looks at no more than the probe does."""
        ...

    def read(self, path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:
        """Read a path; `entries` are those of the sign. Raises `ReadError`, and nothing else, where it cannot go on."""
        ...
