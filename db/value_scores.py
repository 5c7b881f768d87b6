"""Scores of a set of examples or of a subset, each beside what random subsets of the same size score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_columns import read_values
from db.value_data import Data, duplicates_note, naming, open_data
from db.value_measures import Measure, Settings, measures_of
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural
from scaling.serial import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from db.store import Store
    from scaling.valuation.appraisal.band import Band

ORDERS = ("0", "0.5", "1", "2", "inf")


@dataclass(frozen=True)
class Score:
    """One score of one set.

    Parameters
    ----------
    measure : Measure
        What was measured, and how.
    value : float
        The score.
    n : int
        Examples that it is of.
    band : Band or None
        Random subsets of the same size.
    """

    measure: Measure
    value: float
    n: int
    band: Band | None

    @property
    def z(self) -> float:
        """How many standard deviations it lies above random subsets; NaN where that is not known."""
        return float("nan") if self.band is None else self.band.z(self.value)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        made: dict[str, Any] = plain(
            self.measure.to_dict() | {"value": self.value, "n": self.n, "random": band_dict(self.band), "z": self.z}
        )
        return made


@dataclass(frozen=True)
class Scores:
    """Scores of a set of examples, or of a subset of it.

    Parameters
    ----------
    data : Data
        All examples.
    subset : str or None
        Name or file of the subset.
    size : int
        Examples that were scored.
    scores : tuple of Score
        In the order in which they were asked for.
    weighted : bool
        Whether examples had weights.
    seed : int
        Of the random subsets.
    notes : tuple of str
        What a reader should know.
    """

    data: Data
    subset: str | None
    size: int
    scores: tuple[Score, ...]
    weighted: bool
    seed: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return self.data.to_dict() | {
            "subset": self.subset,
            "size": self.size,
            "weighted": self.weighted,
            "seed": self.seed,
            "scores": [score.to_dict() for score in self.scores],
            "notes": list(self.notes),
        }


def score_data(
    store: Store | None,
    source: str,
    *,
    objectives: Sequence[str] = (),
    all_: bool = False,
    orders: Sequence[str] = (),
    subset: str | None = None,
    weights: str | None = None,
    labels: str | None = None,
    baseline: int = 100,
    settings: Settings | None = None,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score a set of examples, or a subset of it.

    Parameters
    ----------
    store : Store or None
        Where sets and subsets may be.
    source : str
        The data, as `db.value_data.open_data` takes them.
    objectives : sequence of str
        Scores and objectives by name; Vendi scores where none is named.
    all_ : bool
        Whether everything that can be had without further inputs is scored.
    orders : sequence of str
        Orders q of the scores that have one.
    subset : str, optional
        A file of positions, or a subset of the store.
    weights, labels : str, optional
        As `db.value_data.read_values` takes them: weights of the diversity, and classes that random subsets balance.
    baseline : int, default 100
        Random subsets of the same size; 0 for none. Without a subset there are none.
    settings : Settings, optional
        Kernel, approximations, options of objectives.
    columns : sequence of str, optional
        That hold the embeddings.
    seed : int, default 0
        Of the random subsets, and of approximations that draw.
    progress : callable, optional
        Called with the scores done and of all.

    Returns
    -------
    Scores

    Raises
    ------
    UsageError
        For names, orders or settings that there are not, or that do not go together.
    InputDataError
        For data that cannot be scored.
    """
    data = open_data(store, source, columns=columns)
    rows = data.rows.array()
    chosen = None if subset is None else read_members(store, subset, data)
    members = np.arange(data.n) if chosen is None else chosen
    weight = None if weights is None else read_values(data, weights, "weight", "--weights")
    classes = None if labels is None else read_values(data, labels, "label", "--labels")
    with naming(data):
        found, notes = measures_of(
            store, data, rows, len(members), objectives=objectives, all_=all_, orders=orders or ORDERS, weights=weight,
            settings=settings or Settings(), seed=seed, subset=chosen is not None,
        )  # fmt: skip
    if not (settings and settings.kernel == "precomputed"):
        notes += duplicates_note(rows[members], "what is scored")
    scores = []
    for done, measure in enumerate(found):
        with naming(data):
            scores.append(_score(measure, members, data.n, chosen is not None, baseline, classes, seed, notes))
        if progress is not None:
            progress(done + 1, len(found))
    weighted = weight is not None
    return Scores(data, subset, len(members), tuple(scores), weighted, seed, tuple(dict.fromkeys(notes)))


def read_members(store: Store | None, subset: str, data: Data) -> NDArray[np.intp]:
    """Read the positions of a subset from a file, or from the store.

    Raises
    ------
    InputDataError
        For a file that cannot be read, or positions that are not among the data.
    UsageError
        For a subset that there is not, or one of another set.
    """
    from db.subsets import read_index, read_subset

    if store is None and not Path(subset).exists():
        raise InputDataError(
            f"There is no file '{subset}', and no store to look for a subset of that name in.",
            "Name a file of positions (.npy, .txt, .csv, .parquet), or give --db FILE.",
        )
    if store is None or Path(subset).exists():
        found = read_index(subset)
    else:
        kept = read_subset(store, subset)
        if kept.set_name != data.set_name and kept.set_name is not None:
            raise UsageError(
                f"The subset '{subset}' is of the set '{kept.set_name}', not of {data.name}.",
                f"Score it there: scaling value score {kept.set_name} --subset {subset}",
            )
        found = kept.indices
    if not found.size:
        raise InputDataError(f"The subset {subset} is empty: there is nothing to score.")
    if int(found.max()) >= data.n:
        raise InputDataError(
            f"The subset {subset} has position {found.max()}, and {data.name} has {format_plural(data.n, 'example')}, "
            "counted from 0."
        )
    if np.unique(found).size != found.size:
        raise InputDataError(f"The subset {subset} names an example twice.", "A subset holds each example once.")
    return found.astype(np.intp)


def band_dict(band: Band | None) -> dict[str, Any] | None:
    """Return what random subsets score, as plain data; None where it is not known."""
    if band is None:
        return None
    return {
        "draws": len(band.values),
        "balanced": band.balanced,
        "mean": band.mean,
        "sd": band.sd,
        "low": band.quantile(0.025),
        "high": band.quantile(0.975),
    }


def _score(
    measure: Measure, members: NDArray[np.intp], n: int, is_subset: bool, baseline: int, labels: Any, seed: int,
    notes: list[str],
) -> Score:  # fmt: skip
    """Score the members, and random subsets of their number."""
    from scaling.valuation.appraisal.band import random_band

    value = measure.score(members)
    band = None
    if is_subset and baseline and len(members) == n:
        notes.append("the subset is all examples: there is no other of its size, so no random one to compare with")
    elif is_subset and baseline:
        try:
            band = random_band(measure.score, len(members), n=n, labels=labels, draws=baseline, swap=0.0, seed=seed)
        except InputDataError as error:
            notes.append(f"{measure.objective}: no random subsets to compare with. {error.message}")
    return Score(measure, value, len(members), band)
