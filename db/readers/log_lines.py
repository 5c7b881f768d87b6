"""Text logs: lines without what terminals and launchers put into them, numbers as they are printed, and what was odd.

A format of text says by patterns where a record begins and how its values stand in it; the rest is here.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from db.problems import Problem
from db.readers.collect import Collector, number
from db.readers.format import Field
from db.readers.found import Found, Note, Restart, RunFound
from db.readers.probe import HEAD, Probe
from db.readers.text import lines_of
from scaling.errors import ReadError

#: Problems of one kind that are told one by one.
TOLD = 100
#: Kinds that are told apart.
_KINDS = 1_000
#: A longer text in front of a value is no name of a metric.
_LONGEST_LABEL = 200
#: Settings that are kept of one log.
_SETTINGS = 5_000
#: Endings of names that are no logs, though their text may quote one.
_NO_LOGS = frozenset(
    {".md", ".rst", ".tex", ".html", ".htm", ".py", ".pyi", ".ipynb", ".sh", ".slurm", ".sbatch", ".json", ".jsonl"}
    | {".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".xml", ".c", ".cc", ".cpp", ".h", ".cu", ".rs", ".go"}
    | {".js", ".ts", ".java", ".patch", ".diff", ".parquet", ".svg", ".pdf"}
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_DECIMAL = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z", re.ASCII)
_SUFFIXES = {"K": 3, "M": 6, "B": 9, "G": 9, "T": 12, "P": 15, "E": 18}
_CUT = "The last line has no end and was left out: the run goes on, or was stopped while it wrote."


def clean(line: str) -> str:
    """A line without colours and other commands to a terminal."""
    return _ESCAPE.sub("", line) if "\x1b" in line else line


def early(probe: Probe) -> str:
    """The first 64 KiB of what may be a text log, cleaned; nothing where it is none by its name or its bytes."""
    name = probe.name.lower()
    if Path(name.removesuffix(".gz")).suffix in _NO_LOGS:
        return ""
    if name.endswith(".gz") and probe.head:
        try:
            with gzip.open(probe.path) as stream:
                return clean(stream.read(HEAD).decode("utf-8-sig", errors="replace"))
        except (OSError, EOFError, zlib.error):
            return ""
    return "" if probe.encoding is None else clean(probe.head.decode(probe.encoding, errors="replace"))


def numeral(text: str, suffixes: bool = False) -> float | None:
    """A number as logs print it, or None where it is none.

    Parameters
    ----------
    text : str
        ``2.5E+00``, ``1,234``, ``nan``, ``-inf``; with `suffixes` also ``1.2M``.
    suffixes : bool, default False
        Whether letters stand for thousands, millions and so on.

    Returns
    -------
    float or None
    """
    bare = text.strip().replace(",", "")
    if _DECIMAL.match(bare):
        return float(bare)
    power = _SUFFIXES.get(bare[-1:])
    if suffixes and power is not None and _DECIMAL.match(bare[:-1]):
        # 8.59M is the number nearest to 8590000, which a product of two rounded numbers need not be.
        plain = "e" not in bare[:-1].lower()
        return float(f"{bare[:-1]}e{power}") if plain else float(bare[:-1]) * 10.0**power
    return number(bare)


def digits_of(text: str) -> int | None:
    """Significant digits that a number was printed with; None for whole numbers, which are exact, and for zero."""
    mantissa = re.split(r"[eEKMBGTP]", text.strip().replace(",", "").lstrip("+-"), maxsplit=1)[0]
    digits = mantissa.replace(".", "").lstrip("0")
    exact = "." not in mantissa and text.strip().replace(",", "").lstrip("+-").isdigit()
    return None if exact or not digits.isdigit() else len(digits)


def plain(text: str) -> Any:
    """A setting that was printed as Python prints it: a number, True, False, None, or text."""
    bare = text.strip()
    if bare in ("True", "False"):
        return bare == "True"
    if bare in ("None", ""):
        return None
    if bare[0] == bare[-1] and bare[0] in "'\"" and len(bare) > 1:
        return bare[1:-1]
    if _DECIMAL.match(bare):
        return int(bare) if bare.lstrip("+-").isdigit() and len(bare) < 19 else float(bare)
    return bare


def ended(path: Path) -> bool:
    """Whether the last line of a file has its end; of a compressed one that is not known, and taken to be so."""
    if path.suffix.lower() == ".gz":
        return True
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4))
            tail = stream.read(4)
    except OSError:
        return True  # whoever reads it will say what is wrong
    return not tail or tail.rstrip(b"\0")[-1:] in (b"\n", b"\r")


class Reading:
    """What is read of one text log, on its way out.

    Parameters
    ----------
    path : Path
        The log.
    fields : sequence of Field, optional
        What stands where; a value that is named there has to be a number.
    digits : int, optional
        Significant digits that the log prints of every value; where not given, they are counted.
    suffixes : bool, default False
        Whether letters stand for thousands, millions and so on.
    run : str, default ""
        Key of the run.

    Notes
    -----
    Go through `lines`, give on what `due` yields after each, and at last what `end` yields.
    """

    def __init__(
        self, path: Path, fields: Sequence[Field] = (), digits: int | None = None, suffixes: bool = False, run: str = ""
    ) -> None:
        self.path = path
        self.run = run
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.line = 0
        self._named = {field.path: field.name for field in fields if field.name not in ("step", "tokens")}
        self._suffixes = suffixes
        self._fixed = digits
        self._collector = Collector(digits)
        self._digits: dict[str, int] = {}
        self._out: list[Found] = []
        self._told: Counter[tuple[str | None, str]] = Counter()
        self._notes: dict[str, None] = {}
        self._error: ReadError | None = None
        self._described = 0
        self.n_values = 0

    def lines(self) -> Iterator[str]:
        """Lines of the log, cleaned; a last one without its end is left out, and an error is kept for the end."""
        held: tuple[int, str] | None = None
        try:
            for numbered in (lines := lines_of(self.path)):
                if held is not None:
                    self.line = held[0]
                    yield clean(held[1])
                held = numbered
        except ReadError as error:
            self._error = error
            return
        if held is None:
            return
        if not lines.ended:
            if held[1].strip():
                self.note(_CUT)
            return
        self.line = held[0]
        yield clean(held[1])

    def step(self, text: str) -> int | None:
        """A step as a whole number, or None with a problem."""
        step = int(text) if len(text) < 20 else 2**63
        if step < 2**63:
            return step
        self.problem("step", text, "the step is no whole number of 64 bits", "row")
        return None

    def value(self, label: str, text: str, step: int | None, tokens: float = math.nan, name: str | None = None) -> bool:
        """Take a value under the label that it has in the log; False where it is no number.

        One that `fields` or `name` name, or that is called a loss, becomes a problem then; other text is no value.
        """
        metric = name or self._named.get(label, label)
        read = numeral(text, self._suffixes)
        if read is None:
            if name or label in self._named or label.endswith("loss"):
                self.problem(label, text.strip(), "it is no number")
            return False
        self._collector.add(self.run, metric, step, read, tokens)
        self.n_values += 1
        if self._fixed is None and math.isfinite(read) and (digits := digits_of(text)) is not None:
            self._digits[metric] = min(digits, self._digits.get(metric, digits))
        return True

    def missing(self, metric: str, step: int | None, tokens: float = math.nan) -> None:
        """Take that the log has no value of a metric at a step."""
        self._collector.add(self.run, metric, step, None, tokens)
        self.n_values += 1

    def setting(self, key: str, value: Any) -> None:
        """Take a setting of the run."""
        if key in self.config or len(self.config) < _SETTINGS:
            self.config[key] = value

    def problem(self, column: str | None, value: str | None, reason: str, refused: str = "value") -> None:
        """Say what was refused in the line that is read."""
        kind = (column, reason) if len(self._told) < _KINDS else (None, reason)
        self._told[kind] += 1
        if self._told[kind] <= TOLD:
            self._out.append(Problem(str(self.path), self.line, column, value and value[:200], reason, refused))

    def note(self, text: str) -> None:
        """Say something of the log, once."""
        self._notes.setdefault(text)

    def restart(self, step: int) -> None:
        """Say that the run goes on from a step; what was logged before is given on first."""
        if self.n_values:
            self._out.extend(self._values())
            self._out.append(Restart(self.run, step))

    def due(self) -> Iterator[Found]:
        """What can be given on by now."""
        if self._collector.full:
            self._out.extend(self._values())
        if self.n_values and self._described != len(self.config):
            self._described = len(self.config)
            yield RunFound(self.run, config=dict(self.config))
        if self._out:
            out, self._out = self._out, []
            yield from out

    def end(self) -> Iterator[Found]:
        """What is left, and the error that ended the log, if one did."""
        self._out.extend(self._values())
        yield RunFound(self.run, config=self.config, summary=self.summary)
        yield from self._out
        for (column, reason), n in self._told.items():
            if n > TOLD:
                what = f" of {column!r}" if column else ""
                self.note(f"{n - TOLD} more values{what} were refused: {reason}.")
        for text in self._notes:
            yield Note(text)
        self._out, self._notes = [], {}
        if self._error is not None:
            raise self._error
        if not self.n_values and not self.config:
            raise ReadError(str(self.path), "no line of it has a value", hint="Say with --format what it is.")

    def _values(self) -> Iterator[Found]:
        """Values so far; their digits are the fewest that any of them was printed with."""
        for values in self._collector.flush():
            digits = self._fixed or self._digits.get(values.metric)
            yield replace(values, digits=digits)
        self._digits = {}


def records(line: str, start: re.Pattern[str]) -> Iterator[tuple[re.Match[str], str]]:
    """Records in a line and the text of each up to the next: lines of several processes may have run together."""
    found = list(start.finditer(line))
    for i, match in enumerate(found):
        yield match, line[match.end() : found[i + 1].start() if i + 1 < len(found) else len(line)]


def pairs(text: str, between: str = "|") -> Iterator[tuple[str, str]]:
    """Pairs ``label: value`` between bars."""
    for part in text.split(between):
        label, colon, value = part.partition(":")
        if colon and 0 < len(label := label.strip()) <= _LONGEST_LABEL and (value := value.strip()):
            yield label, value
