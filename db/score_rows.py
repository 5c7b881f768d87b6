"""Scores of one task as arrays, with what was left out, and what was asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.problems import nearest
from db.score_periods import Period
from db.select import Excluded, Selection
from scaling.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoreQuestion:
    """Which scores: everything that chooses rows.

    Parameters
    ----------
    task : str
        The task.
    where : str, optional
        SQL condition on the columns of ``scores``.
    metric, harness, version : str, optional
        Of the task, where it has several.
    group : str or None, default "base_model"
        Column whose values are one group: those that are resampled or held out together.
    date : str, default "date"
        ``date`` (publication, else evaluation, else last change), ``released`` or ``evaluated_on``.
    period : str or tuple of str, optional
        What dates are put into: ``year``, ``quarter``, ``month``, ``zhang2026``, or the first days of periods.
    exclude : tuple of str
        Of `EXCLUDABLE`.
    repeats : str, default "best"
        Of several scores of one entry: ``best``, ``latest`` or ``all``.
    per : str, default "model_id"
        What an entry is: ``model_id``, or ``model`` to take precisions and revisions of a name together.
    with_compute : bool, default True
        Leave out scores of models without compute.
    """

    task: str
    where: str | None = None
    metric: str | None = None
    harness: str | None = None
    version: str | None = None
    group: str | None = "base_model"
    date: str = "date"
    period: Period = None
    exclude: tuple[str, ...] = ()
    repeats: str = "best"
    per: str = "model_id"
    with_compute: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The question as plain data; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScoreQuestion:
        """Read a question from plain data."""
        period = data.get("period")
        period = tuple(period) if isinstance(period, list | tuple) else period
        return cls(**{**data, "period": period, "exclude": tuple(data.get("exclude", ()))})


@dataclass(frozen=True)
class ScoreRows:
    """Scores of one task, and what was left out.

    Parameters
    ----------
    question : ScoreQuestion
        What was asked, with the metric and harness that were found.
    eval_id, model_id, model : tuple of str (n,)
        The score, the entry that was evaluated, and the name of its model.
    log10_compute : ndarray (n,)
        Pretraining compute, decades of FLOP; NaN where unknown, which is only where asked for.
    score : ndarray (n,)
        Shares, 0 to 1.
    groups : tuple of str (n,), optional
        Value of the column that groups are made of.
    date : ndarray of datetime64[D] (n,)
        NaT where unknown.
    period : tuple of str (n,), optional
        Period of each date, where asked.
    n_items, n_params : ndarray (n,)
        Questions and parameters; NaN where unknown.
    unit : str
        Of the scores.
    excluded : tuple of Excluded
        Scores that were looked at and left out: identifier and reason.
    not_selected : int
        Scores of the task that the condition left out.
    notes : tuple of str
        What else is worth knowing of the rows.
    sql, sha256 : str
        What was asked of the store, and the hash of the rows, whatever their order.
    """

    question: ScoreQuestion
    eval_id: tuple[str, ...]
    model_id: tuple[str, ...]
    model: tuple[str, ...]
    log10_compute: NDArray[np.float64]
    score: NDArray[np.float64]
    groups: tuple[str, ...] | None
    date: NDArray[np.datetime64]
    period: tuple[str, ...] | None
    n_items: NDArray[np.float64]
    n_params: NDArray[np.float64]
    unit: str
    excluded: tuple[Excluded, ...]
    not_selected: int
    notes: tuple[str, ...]
    sql: str
    sha256: str

    def __len__(self) -> int:
        return len(self.eval_id)

    @property
    def periods(self) -> tuple[str, ...]:
        """The periods that have rows, in order."""
        return tuple(sorted(set(self.period or ())))

    def reasons(self) -> dict[str, int]:
        """Count the scores left out, by reason."""
        counts: dict[str, int] = {}
        if self.not_selected:
            counts["not selected by the condition"] = self.not_selected
        for row in self.excluded:
            counts[row.reason] = counts.get(row.reason, 0) + 1
        return counts

    def take(self, rows: Any) -> ScoreRows:
        """The rows of a mask or of positions, in that order; what was left out stays said."""
        index = np.arange(len(self))[np.asarray(rows)]

        def some(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in index)

        part = replace(
            self,
            eval_id=some(self.eval_id),
            model_id=some(self.model_id),
            model=some(self.model),
            log10_compute=self.log10_compute[index],
            score=self.score[index],
            groups=None if self.groups is None else some(self.groups),
            date=self.date[index],
            period=None if self.period is None else some(self.period),
            n_items=self.n_items[index],
            n_params=self.n_params[index],
        )
        return replace(part, sha256=hash_scores(part.eval_id, part.log10_compute, part.score, part.date))

    def of_period(self, *periods: str) -> ScoreRows:
        """The rows of some periods.

        Raises
        ------
        UsageError
            If there is no such period, or none was asked for.
        """
        for name in periods:
            if name not in self.periods:
                raise UsageError(f"There is no period '{name}'.", nearest(name, self.periods))
        assert self.period is not None
        return self.take([i for i, name in enumerate(self.period) if name in periods])

    def selection(self) -> Selection:
        """The rows as those of a fit of the law ``boundary``: compute in FLOP, score, and groups as clusters."""
        ids = self.eval_id
        return Selection(
            run_ids=ids,
            inputs={"C": 10.0**self.log10_compute},
            observed=self.score,
            sql=self.sql,
            sha256=self.sha256,
            excluded=self.excluded,
            not_selected=self.not_selected,
            columns={"C": "compute_flop"},
            metric=self.question.task,
            clusters=self.groups,
        )

    def to_dict(self) -> dict[str, Any]:
        """What the rows are, without the rows: the question, counts, reasons, notes, SQL and hash."""
        return {
            "question": self.question.to_dict(),
            "n_rows": len(self),
            "n_groups": len(set(self.groups or ())),
            "n_distinct_compute": len(np.unique(self.log10_compute[np.isfinite(self.log10_compute)])),
            "left_out": self.reasons(),
            "notes": list(self.notes),
            "sql": self.sql,
            "sha256": self.sha256,
        }


def hash_scores(
    eval_ids: Sequence[str],
    log10_compute: NDArray[np.float64],
    score: NDArray[np.float64],
    date: NDArray[np.datetime64],
) -> str:
    """Hash rows, whatever their order: SHA-256 of the sorted identifiers, exact values and dates."""
    rows = zip(eval_ids, log10_compute, score, date, strict=True)
    lines = sorted(f"{name}\t{float(z).hex()}\t{float(y).hex()}\t{day}" for name, z, y, day in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def match_rows(first: ScoreRows, second: ScoreRows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the models that two sets of scores share: of two tasks, two harnesses or two gradings.

    Parameters
    ----------
    first, second : ScoreRows
        The scores. A name that stands in either for several entries is matched by entry, and failing that left out:
        which of them belong together is not known.

    Returns
    -------
    rows_first, rows_second : ndarray of int (m,)
        Rows of the same model, in the order of `first`.
    """
    pairs: list[tuple[int, int]] = []
    entries = {name: i for i, name in enumerate(second.model_id)}
    names: dict[str, list[int]] = {}
    for i, name in enumerate(second.model):
        names.setdefault(name.lower(), []).append(i)
    mine = [name.lower() for name in first.model]
    counts = Counter(mine)
    for i, (entry, name) in enumerate(zip(first.model_id, mine, strict=True)):
        alone = names.get(name, [])
        if entry in entries:
            pairs.append((i, entries[entry]))
        elif len(alone) == 1 and counts[name] == 1:
            pairs.append((i, alone[0]))
    found = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]
