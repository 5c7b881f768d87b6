"""What a test of two sides needs: which versions, harnesses and models they are, and what of them is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from db.boundary_joined import need_one_each
from db.problems import nearest
from db.score_rows import ScoreRows, match_rows
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.score_tasks import TaskCount
    from db.store import Store


#: Where dates could come from.
DATES = (
    "Name another column with --date-column (date, released or evaluated_on), or join a table with release dates: "
    "scaling ingest FILE --scores --versions TABLE"
)


def groups_of(rows: ScoreRows) -> tuple[str, ...] | None:
    """Groups of rows; None where none were asked for. A model without one goes by its own name."""
    return None if rows.groups is None else tuple(name.removeprefix("alone: ") for name in rows.groups)


def task_counts(store: Store, task: str, metric: str | None = None, harness: str | None = None) -> list[TaskCount]:
    """Counts of one task, of a metric and a harness where they are named; a task that is not there is refused."""
    from db.scores import tasks

    everything = tasks(store)
    if not everything:
        raise InputDataError("The store has no scores.", "Read some: scaling ingest FILE --scores")
    found = [row for row in everything if row.task == task]
    if not found:
        names = sorted({row.task for row in everything})
        raise UsageError(f"The store has no scores of the task '{task}'.", nearest(task, names))
    return [row for row in found if metric in (None, row.metric) and harness in (None, row.harness)]


def settle_versions(task: str, counts: Sequence[TaskCount], version: str | None) -> tuple[str, dict[str, str]]:
    """Settle the earlier version, and the metric and harness that have it where there is one of each."""
    known = list(dict.fromkeys(row.version for row in counts))
    if len(known) < 2:
        raise InputDataError(
            f"The scores of the task '{task}' are of one version, so there is nothing to hold it against.",
            "A second one comes from the mapping: 'version' of a task under [scores], and 'superseded' of the earlier.",
        )
    if version is None:
        replaced = list(dict.fromkeys(row.version for row in counts if row.superseded and row.version))
        if len(replaced) != 1:
            listed = ", ".join(repr(name) if name else "one without a name" for name in known)
            raise UsageError(
                f"Which versions of the task '{task}' to compare is not clear; there are: {listed}.",
                "Name the earlier one with --task-version, and the later one with --against where it has a name.",
            )
        version = replaced[0]
    mine = [row for row in counts if row.version == version]
    own = {}
    for name in ("metric", "harness"):
        values = {getattr(row, name) for row in mine}
        if len(values) == 1 and None not in values:
            own[name] = values.pop()
    return version, own


def settle_two(
    task: str, what: str, known: Sequence[str], first: str | None, second: str | None, how: str
) -> tuple[str, str]:
    """Settle two of the known ones: those named, the rest by exclusion."""
    for name in (first, second):
        if name is not None and name not in known:
            raise UsageError(f"No score of the task '{task}' has the {what} '{name}'.", nearest(name, known))
    if first is not None and first == second:
        raise UsageError(f"The {what} '{first}' cannot be held against itself.", f"Name two: {how}")
    if len(known) < 2:
        have = f"the {what} '{known[0]}' alone" if known else f"no {what} that is named"
        raise InputDataError(
            f"The task '{task}' has scores of {have}, so there is nothing to hold against it.",
            "Read in the scores of another one, with its name under [constants] harness in the mapping.",
        )
    left = [name for name in known if name not in (first, second)]
    if (first is None or second is None) and len(left) != (first is None) + (second is None):
        raise UsageError(
            f"The task '{task}' has scores of several kinds of {what}: {', '.join(known)}.", f"Name two: {how}"
        )
    first = left.pop(0) if first is None else first
    return first, left.pop(0) if second is None else second


def shared_rows(a: ScoreRows, b: ScoreRows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the models that both sides have, as of `db.score_rows.match_rows`; no such model is refused."""
    need_one_each(a.question.repeats)
    rows_a, rows_b = match_rows(a, b)
    if not len(rows_a):
        raise InputDataError(
            f"No model has both scores: {len(a)} have the one and {len(b)} the other.",
            "Models of two sources are matched by name, and a name that several entries share by entry; "
            "--per model takes the entries of a name together.",
        )
    return rows_a, rows_b


def need_dates(rows: ScoreRows) -> None:
    """Refuse scores none of which has a date."""
    if np.isnat(rows.date).all():
        raise no_dates(rows.question.task, len(rows), rows.question.date)


def no_dates(task: str, count: int, column: str) -> InputDataError:
    """Say that no score has a date, and where one could come from."""
    return InputDataError(
        f"None of the {format_plural(count, 'score')} of the task '{task}' has a date in the column '{column}'.",
        DATES,
    )


def items_of(rows: ScoreRows, given: float | None, notes: list[str]) -> Any:
    """Numbers of items: as given, else of the store where all rows have them."""
    if given is not None:
        return given
    known = np.isfinite(rows.n_items)
    if known.all():
        return rows.n_items
    if known.any():
        notes.append(
            f"The number of items of '{rows.question.task}' is known of {int(known.sum())} of {len(rows)} scores only, "
            "and so is not used."
        )
    return None
