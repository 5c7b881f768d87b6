"""Tables of runs: known by the ending of their name, when nothing better is known of them.

Which of their columns is what is the matter of a mapping (`db.mapping`), so they are read by `db.ingest` and not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.format import Field, Level, Sign
from db.readers.found import Found
from db.readers.probe import Probe
from db.readers.table import ending_of
from scaling.errors import ReadError

NAME = "run-table"  # and not "table", which --format prints
WHAT = "a table of runs"
READS = (
    "CSV, TSV, JSON lines, a list of objects in JSON, and Parquet, with one row a run or one row a step; a mapping "
    "says which column is what."
)
LEAVES_OUT = "Excel, Arrow files and databases; tables whose runs stand side by side in columns."
TRIED = "any"
FIELDS: Sequence[Field] = ()
UPSERTS = False
_IS_LIST = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[[ \t\r\n]*\{")


def sniff(probe: Probe) -> Sign | None:
    """Known by its ending."""
    ending = None if probe.is_dir else ending_of(probe.path)
    if ending == "json" and probe.path.suffix.lower() == ".json" and not _IS_LIST.match(probe.head):
        return None  # most documents are settings and results, and no tables
    return Sign(Level.ENDING, f"its name ends as {ending} does") if ending else None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Refuse: a table needs its mapping."""
    raise ReadError(str(path), "a table of runs is read with its mapping", hint="Use db.ingest.")
