"""What random subsets score, at several sizes, and what a subset is worth among them; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_columns import read_values
from db.value_data import Data, duplicates_note, open_data
from db.value_measures import Measure, Settings, measures_of
from db.value_scores import read_members
from scaling.errors import UsageError
from scaling.formatting import format_plural
from scaling.serial import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import Store
    from scaling.valuation.appraisal.band import Band
    from scaling.valuation.equivalence.equivalent_size import EquivalentSize
    from scaling.valuation.equivalence.score_curve import ScoreCurve

Progress = Callable[[int, int], None]

ORDERS = ("1",)
SIZES = 8  # of a curve, where none are given


@dataclass(frozen=True)
class Baseline:
    """Random subsets by one score.

    Parameters
    ----------
    measure : Measure
        What was measured, and how.
    curve : ScoreCurve
        Scores over sizes.
    band : Band or None
        Random subsets of the size of the subset that was named.
    value : float
        Score of that subset; NaN without one.
    worth : EquivalentSize or None
        Random examples that score as much.
    """

    measure: Measure
    curve: ScoreCurve
    band: Band | None
    value: float
    worth: EquivalentSize | None

    @property
    def objective(self) -> str:
        """Name of the score, with its order where that is not 1."""
        order = self.measure.order
        return self.measure.objective if order in (None, 1) else f"{self.measure.objective}_{order:g}"

    @property
    def z(self) -> float:
        """Standard deviations above random subsets of the size; NaN where that is not known."""
        return float("nan") if self.band is None else self.band.z(self.value)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        band, worth = self.band, self.worth
        chance = None if band is None else band.chance(abs(self.value - band.mean))
        own = {
            "value": self.value,
            "z": self.z,
            "band": None if band is None else {k: v for k, v in band.to_dict().items() if k != "values"},
            "chance": chance,
            "n_eq": None if worth is None else worth.to_dict(),
        }
        made: dict[str, Any] = plain(self.measure.to_dict() | {"curve": self.curve.to_dict()} | own)
        return made


@dataclass(frozen=True)
class Baselines:
    """Random subsets of some data.

    Parameters
    ----------
    data : Data
    subset : str or None
        Name or file of the subset that is held against them.
    members : ndarray of int or None
        Its positions.
    balanced : bool
        Whether random subsets had as many of each class.
    draws, band_draws, seed : int
    baselines : tuple of Baseline
        One a score.
    notes : tuple of str
    """

    data: Data
    subset: str | None
    members: NDArray[np.intp] | None
    balanced: bool
    draws: int
    band_draws: int
    seed: int
    baselines: tuple[Baseline, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return self.data.to_dict() | {
            "subset": self.subset,
            "size": None if self.members is None else len(self.members),
            "balanced": self.balanced,
            "draws": self.draws,
            "band_draws": self.band_draws,
            "seed": self.seed,
            "baselines": [one.to_dict() for one in self.baselines],
            "notes": list(self.notes),
        }


def random_baselines(
    store: Store | None, source: str, *, objectives: Sequence[str], orders: Sequence[str] = (),
    sizes: Sequence[int] | None = None, draws: int = 15, band_draws: int = 100, subset: str | None = None,
    labels: str | None = None, settings: Settings | None = None, columns: Sequence[str] | None = None,
    level: float = 0.95, bootstrap: int = 500, seed: int = 0, progress: Progress | None = None,
) -> Baselines:  # fmt: skip
    """Score random subsets of several sizes, and hold a subset against them.

    Parameters
    ----------
    store : Store or None
        Where sets and subsets may be.
    source : str
        The data, as `db.value_data.open_data` takes them.
    objectives, orders : sequence of str
        As of `db.value_measures.measures_of`.
    sizes : sequence of int, optional
        Of the curve; eight up to all examples where missing.
    draws, band_draws : int
        Random subsets of each size of the curve, and of the size of the subset.
    subset : str, optional
        A file of positions, or a subset of the store.
    labels : str, optional
        Classes that random subsets balance, as `db.value_columns.read_values` takes them.
    settings : Settings, optional
        Kernel, and options of objectives.
    columns : sequence of str, optional
        That hold the embeddings.
    level, bootstrap : float, int
        Of the interval of what the subset is worth.
    seed : int, default 0
        Of all draws.
    progress : callable, optional
        Called with the sets scored and of all.

    Returns
    -------
    Baselines

    Raises
    ------
    UsageError
        For names, sizes or numbers of draws that make no sense.
    InputDataError
        For data that cannot be scored, or whose scores do not depend on the size.
    """
    from scaling.valuation.appraisal.band import random_band
    from scaling.valuation.equivalence.score_curve import random_score_curve

    data = open_data(store, source, columns=columns)
    rows = data.rows.array()
    members = None if subset is None else read_members(store, subset, data)
    classes = None if labels is None else read_values(data, labels, "label", "--labels")
    largest = max(sizes) if sizes else data.n
    if sizes and largest > data.n:
        raise UsageError(f"--sizes has {largest}, and {data.name} has {format_plural(data.n, 'example')}.")
    found, notes = measures_of(
        store, data, rows, largest, objectives=objectives, all_=False, orders=orders or ORDERS, weights=None,
        settings=settings or Settings(), seed=seed, subset=True,
    )  # fmt: skip
    if not (settings and settings.kernel == "precomputed"):
        notes += duplicates_note(rows, data.name)
    with_band = members is not None and len(members) < data.n
    if members is not None and not with_band:
        notes.append("the subset is all examples: there is no random one of its size to compare it with")
    count = len(set(sizes)) if sizes else SIZES
    tick = _Ticks(progress, len(found) * (count * draws + (2 * band_draws if with_band else 0)))
    out = []
    for measure in found:
        score = tick.counting(measure.score)
        curve = random_score_curve(score, n=data.n, sizes=sizes, labels=classes, draws=draws, seed=seed)
        band = value = worth = None
        if members is not None:
            value = float(measure.score(members))
            worth = curve.worth(value, level=level, bootstrap=bootstrap)
            if with_band:
                band = random_band(score, len(members), n=data.n, labels=classes, draws=band_draws, seed=seed + 1)
        out.append(Baseline(measure, curve, band, float("nan") if value is None else value, worth))
    return Baselines(
        data, subset, members, classes is not None, draws, band_draws, seed, tuple(out), tuple(dict.fromkeys(notes))
    )


def save_baselines(store: Store, name: str, found: Baselines, *, command: str, replace: bool = False) -> None:
    """Keep random subsets, and the subset that was held against them, as an appraisal without a performance.

    Parameters
    ----------
    store : Store
        Open for writing.
    name : str
        Of the appraisal.
    found : Baselines
        What was scored.
    command : str
        That makes it again.
    replace : bool, default False
        Whether an appraisal of that name gives way.

    Raises
    ------
    UsageError
        Where there is one of that name already.
    """
    from db.appraisals import save_appraisal

    save_appraisal(
        store, name, [row for one in found.baselines for row in _rows(found, one)], source_uri=None,
        options={"draws": found.draws, "band_draws": found.band_draws, "seed": found.seed, "data": found.data.name},
        findings=found.to_dict(), command=command, replace=replace,
    )  # fmt: skip


def _rows(found: Baselines, one: Baseline) -> Iterator[dict[str, Any]]:
    for size, scores in zip(one.curve.sizes, one.curve.scores, strict=True):
        for i, score in enumerate(scores):
            row = {"subset_name": f"random {size:g} #{i + 1}", "size": size, "is_random": True, "score": float(score)}
            yield row | {"objective": one.objective}
    if found.members is not None and one.worth is not None:
        size = one.worth.size
        yield {
            "subset_name": str(found.subset), "size": len(found.members), "is_random": False, "score": one.value,
            "z_random": one.z, "n_eq": size if 0 < size < np.inf else None, "objective": one.objective,
        }  # fmt: skip


class _Ticks:
    """Counts the sets that were scored."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def counting(self, score: Callable[[NDArray[np.intp]], float]) -> Callable[[NDArray[np.intp]], float]:
        """Wrap a score, so that each call is told."""

        def of(members: NDArray[np.intp]) -> float:
            self.done += 1
            if self.progress is not None:
                self.progress(min(self.done, self.total), self.total)
            return score(members)

        return of
