"""What people are told of logs that were read: all of a few, and of many what is the same of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from db.log_report import LogReport
from db.log_settle import some_of
from db.readers.discover import Source
from db.readers.tfevents import NAME as TENSORBOARD
from scaling.formatting import format_plural

_NAMED = 5
_LINES = 60
#: The file that a note is of, which is another one for each log.
_OF_A_FILE = re.compile(r"\A\S+: (?=\S)")
#: Names by which trainers part the TensorBoard logs of one run.
_PARTS = ("train", "training", "validation", "valid", "val", "eval", "evaluation", "test", "dev", "training_eval")
_LACKS = re.compile(r"\w+ is (?:missing|in doubt): ")


def parts_of_runs(logs: Sequence[Source]) -> str | None:
    """Say which runs lie as if they were parts of one, which no event file tells; None where there are none.

    Parameters
    ----------
    logs : sequence of Source
        What was found.

    Returns
    -------
    str or None
    """
    paths = {one.path for one in logs}
    beside: dict[Path, list[Source]] = {}
    for one in logs:
        beside.setdefault(one.path.parent, []).append(one)
    found = [
        sorted(together, key=lambda one: one.path.name)
        for folder, together in beside.items()
        if len(together) > 1
        and all(one.format.NAME == TENSORBOARD and one.path.name in _PARTS for one in together)
        and folder not in paths
    ]
    if not found:
        return None
    first = found[0]
    n = len(found) - 1
    more = f", and parts of the same kind in {n} more {'directory' if n == 1 else 'directories'}," if n else ""
    held_out = next((one for one in first if not one.path.name.startswith("train")), first[0])
    like = f"%/{held_out.path.name}" if "/" in held_out.label else held_out.label
    return (
        f"{' and '.join(one.label for one in first)}{more} are runs of their own here. If they are parts of one, let a "
        f"fit have one of them: --where \"run_id LIKE '{like}'\""
    )


def tell(report: LogReport, say: Callable[[str], None]) -> None:
    """Tell all of one log."""
    say(str(report))
    for line in report.facts:
        say(f"  {line}")
    for note in report.notes:
        say(f"note: {note}")
    for problem in report.problems[:_NAMED]:
        say(f"refused: {problem}")
    if len(report.problems) > _NAMED:
        say(f"refused: and {len(report.problems) - _NAMED} more; all: scaling sql 'SELECT problems FROM sources'")


class Said:
    """What is to be told of many logs: the same of many of them once, with how many, and some that lack a fact."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lacking: dict[str, list[str]] = {}

    def take(self, report: LogReport) -> None:
        """Take what is to be told of one log."""
        self._counts[f"{report.format}: {report.status}"] += 1
        for fact in report.facts_alike:
            line = f"  {fact}"
            self._counts[line] += 1
            if _LACKS.match(fact):
                names = self._lacking.setdefault(line, [])
                if len(names) < _NAMED:  # more than are named, which shows that there are more
                    names.append(report.run_ids[0] if len(report.run_ids) == 1 else report.path)
        self._counts.update(f"note: {_OF_A_FILE.sub('', note)}" for note in report.notes)
        if report.problems:
            self._counts["refused: values or lines; scaling sql 'SELECT uri, problems FROM sources'"] += 1

    def lines(self) -> Iterator[str]:
        """What is told, the most common first."""
        for line, count in self._counts.most_common(_LINES):
            names = self._lacking.get(line)
            yield f"{line} ({format_plural(count, 'log')}{some_of(names) if names else ''})"
        if len(self._counts) > _LINES:
            yield f"and {len(self._counts) - _LINES} more of this; of each run: scaling show RUN"
