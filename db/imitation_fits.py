"""How often a concept has to be trained on before it is imitated, from runs that are concepts.

What was asked for, as plain data: ``count metric where min_size penalty level permutations``. The saved fit is that of
the smooth rise, and the change point stands in its settings, so that both are verified together.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db import kinds
from db.batch_steps import asked_words
from db.fits import check_fit_name
from db.kinds import DerivedSelection, axis_of, hash_lines
from db.select import Excluded
from db.sweeps import check_column, number_of, runs_sql
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit
    from scaling.valuation.imitation import ImitationThreshold

Array = NDArray[np.float64]

KIND = "imitation"
PLAIN_PAGE = True  # every row is a run
RECORD = "imitation_threshold"  # of the settings of a fit
#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {
    "count": None, "metric": None, "where": None, "min_size": 5, "penalty": None, "level": 0.95, "permutations": 999,
}  # fmt: skip


@dataclass(frozen=True)
class Concepts:
    """Concepts of the store.

    Parameters
    ----------
    run_ids : tuple of str (n,)
    counts, scores : ndarray (n,)
        Training examples, 0 included, and how well each is imitated.
    """

    run_ids: tuple[str, ...]
    counts: Array
    scores: Array

    def threshold(self, asked: Mapping[str, Any], bootstrap: int, seed: int) -> ImitationThreshold:
        """Find the change point."""
        from scaling.valuation.imitation import imitation_threshold

        own = {key: asked.get(key, USUAL[key]) for key in ("min_size", "penalty", "level", "permutations")}
        return imitation_threshold(self.counts, self.scores, **own, bootstrap=bootstrap, seed=seed)


@dataclass(frozen=True)
class ImitationAnswer:
    """What came of the concepts.

    Parameters
    ----------
    saved : SavedFit
        The smooth rise.
    threshold : ImitationThreshold
        The change point.
    concepts : Concepts
    metric : str
    excluded : dict of str to int
        Runs that are no concept, by reason.
    """

    saved: SavedFit
    threshold: ImitationThreshold
    concepts: Concepts
    metric: str
    excluded: dict[str, int]


def answer_imitation(
    store: Store, asked: Mapping[str, Any], *, name: str | None = None, replace: bool = False, bootstrap: int = 300,
    seed: int = 0,
) -> ImitationAnswer:  # fmt: skip
    """Find the imitation threshold of the concepts of a store, and save the smooth rise.

    Parameters
    ----------
    store : Store
        Open for writing.
    asked : mapping
        As of `USUAL`.
    name : str, optional
        Of the fit.
    replace : bool, default False
        Whether a fit of that name gives way.
    bootstrap, seed : int
        Of both.

    Returns
    -------
    ImitationAnswer

    Raises
    ------
    UsageError
        For a question that makes no sense.
    InputDataError
        For concepts that can have no threshold.
    """
    asked = {**USUAL, **asked}
    check_fit_name(store, name, replace)
    rows = kinds.select_rows(store, KIND, asked)
    concepts: Concepts = rows.source
    threshold = concepts.threshold(asked, bootstrap, seed)
    fit = _fit(rows, threshold, bootstrap, seed)
    saved = kinds.save_derived(
        store, KIND, asked, rows, fit, name=name, replace=replace, notes=threshold.warnings, bootstrap=bootstrap,
        seed=seed,
    )  # fmt: skip
    return ImitationAnswer(saved, threshold, concepts, rows.metric, dict(Counter(one.reason for one in rows.excluded)))


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the concepts."""
    if not asked.get("count"):
        raise UsageError(
            "Which column counts the training examples of a concept is not said.",
            "Name it, such as --count n_images. A run of the store is a concept.",
        )
    count = f"TRY_CAST({check_column(store, asked['count'], '--count')} AS DOUBLE)"
    return runs_sql(store, batch=count, metric=asked.get("metric"), where=asked.get("where"))


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Take the concepts with a count and a score; those of a count of 0 stand behind the rows of the fit."""
    place = {name: j for j, name in enumerate(columns)}
    kept: list[tuple[str, float, float]] = []
    excluded = []
    for row in rows:
        run_id, count = str(row[place["run_id"]]), number_of(row[place["batch"]])
        score, status = number_of(row[place["value"]]), row[place["status"]]
        if not (math.isfinite(count) and count >= 0):
            excluded.append(Excluded(run_id, f"has no number of 0 or above in the column {asked['count']}"))
        elif status != "ok" or not math.isfinite(score):
            excluded.append(Excluded(run_id, f"the score is {status}"))
        else:
            kept.append((run_id, count, score))
    metrics = sorted({str(row[place["metric"]]) for row in rows})
    if len(metrics) > 1:
        raise UsageError(
            f"The concepts have different metrics as their score: {', '.join(metrics)}.",
            f"Choose one: --metric {metrics[0]}",
        )
    if not kept:
        why = f" {excluded[0].run_id} {excluded[0].reason}." if excluded else ""
        raise InputDataError(f"No run that is selected is a concept with a count and a score.{why}")
    names, counts, scores = zip(*kept, strict=True)
    concepts = Concepts(names, np.array(counts, float), np.array(scores, float))
    seen = np.flatnonzero(concepts.counts > 0)
    never = len(names) - len(seen)
    return DerivedSelection(
        run_ids=tuple(names[i] for i in seen.tolist()),
        inputs={"n": concepts.counts[seen]},
        observed=concepts.scores[seen],
        sql=sql,
        sha256=hash_lines(kept),
        excluded=tuple(excluded),
        not_selected=0,
        columns={"n": str(asked["count"])},
        metric=metrics[0],
        order=concepts.counts[seen],
        source=concepts,
        notes=_notes(never),
    )


def _notes(never: int) -> tuple[str, ...]:
    if not never:
        return ()
    return (f"{format_plural(never, 'concept')} with a count of 0: part of the change point, not of the rise.",)


def make(rows: DerivedSelection, asked: Mapping[str, Any], bootstrap: int = 300, seed: int = 0) -> Fit:
    """Fit the smooth rise, with the change point beside it."""
    return _fit(rows, rows.source.threshold(asked, bootstrap, seed), bootstrap, seed)


def _fit(rows: DerivedSelection, threshold: ImitationThreshold, bootstrap: int, seed: int) -> Fit:
    from scaling.valuation.imitation import fit_imitation

    fit = fit_imitation(rows.inputs["n"], rows.observed, bootstrap=bootstrap, seed=seed)
    record = {key: value for key, value in threshold.to_dict().items() if not key.startswith("isotonic_")}
    return replace(fit, settings={**fit.settings, RECORD: record})


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the concepts out that were seen most often."""
    import scaling

    return scaling.backtest_law(saved.fit, rows.inputs, rows.observed, by=axis_of(rows), **settings)


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved fit."""
    asked, settings = config["derived"]["asked"], config["settings"]
    words = ["scaling", "value", "imitation", *asked_words(asked, USUAL)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"])]
    return shlex.join([*words, "--name", config["name"]])
