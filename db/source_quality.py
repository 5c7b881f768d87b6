"""What a token of each source is worth, from runs on mixtures: one law of all sources, a saved fit.

What was asked for, as plain data: ``tokens reference one_size metric where``. ``tokens`` says by source which column of
``runs_final``, or which SQL expression, holds the tokens of it that a run was trained on.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db import kinds
from db.batch_steps import asked_words
from db.kinds import DerivedSelection, hash_lines
from db.select import Excluded
from db.sweeps import check_column, number_of, runs_sql
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit
    from scaling.valuation.equivalence.quality import SourceWeights

Array = NDArray[np.float64]

KIND = "source_quality"
PLAIN_PAGE = True  # every row is a run
#: Everything that can be asked for, with what it is where nothing was said.
USUAL: dict[str, Any] = {"tokens": None, "reference": None, "one_size": False, "metric": None, "where": None}


@dataclass(frozen=True)
class MixtureRuns:
    """Runs on mixtures of sources.

    Parameters
    ----------
    tokens : dict of str to ndarray (n,)
        By source.
    n_params : ndarray (n,) or None
        None where all runs count as of one size.
    loss : ndarray (n,)
        Of each run.
    reference : str
        The source whose tokens are the unit.
    """

    tokens: dict[str, Array]
    n_params: Array | None
    loss: Array
    reference: str


@dataclass(frozen=True)
class SavedWeights:
    """Weights of sources, as saved.

    Parameters
    ----------
    saved : SavedFit
        The law of sources.
    weights : SourceWeights
        What it says.
    excluded : dict of str to int
        Runs that could not be used, by reason.
    """

    saved: SavedFit
    weights: SourceWeights
    excluded: dict[str, int]


def fit_quality(
    store: Store, asked: Mapping[str, Any], *, name: str | None = None, replace: bool = False, bootstrap: int = 1000,
    seed: int = 0,
) -> SavedWeights:  # fmt: skip
    """Fit the weights of sources, and save the fit.

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
        As of `scaling.fit`.

    Returns
    -------
    SavedWeights

    Raises
    ------
    UsageError
        For a question that makes no sense.
    InputDataError
        Where the runs cannot be fitted.
    """
    from db.fits import check_fit_name
    from scaling.valuation.equivalence.quality import SourceWeights

    check_fit_name(store, name, replace)
    asked = {**USUAL, **asked}
    rows = kinds.select_rows(store, KIND, asked)
    asked |= {"reference": rows.source.reference}
    fit = make(rows, asked, bootstrap=bootstrap, seed=seed)
    saved = kinds.save_derived(
        store, KIND, asked, rows, fit, name=name, replace=replace, bootstrap=bootstrap, seed=seed
    )  # fmt: skip
    return SavedWeights(saved, SourceWeights(saved.fit), dict(Counter(one.reason for one in rows.excluded)))


def sql_of(store: Store, asked: Mapping[str, Any]) -> str:
    """Write the SELECT of the runs, with the tokens of each source."""
    columns = asked.get("tokens") or {}
    if len(columns) < 2:
        raise UsageError(
            "Weights compare sources, and fewer than two are named.",
            "Say which column holds the tokens of each: --tokens web=web_tokens --tokens code=code_tokens",
        )
    parts = {
        f"{i}": f"TRY_CAST({check_column(store, text, f'--tokens {name}')} AS DOUBLE)"
        for i, (name, text) in enumerate(columns.items())
    }
    return runs_sql(
        store, batch="CAST(NULL AS DOUBLE)", metric=asked.get("metric"), where=asked.get("where"), settings=parts
    )  # fmt: skip


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Take the runs that have tokens of some source, a loss and a size."""
    from scaling.errors import did_you_mean

    names = list(asked["tokens"])
    if (said := asked.get("reference")) is not None and said not in names:
        raise UsageError(f"There is no source '{said}' to be the reference.", did_you_mean(said, names))
    place = {column: j for j, column in enumerate(columns)}
    sized = not asked.get("one_size")
    kept: list[tuple[str, float, float, list[float]]] = []
    excluded: list[Excluded] = []
    metrics = set()
    for row in rows:
        run_id, loss, n = str(row[place["run_id"]]), number_of(row[place["value"]]), number_of(row[place["n_params"]])
        tokens = [number_of(row[place[f"set_{i}"]]) for i in range(len(names))]
        if why := _unusable(names, tokens, str(row[place["status"]]), loss, n if sized else 1.0):
            excluded.append(Excluded(run_id, why))
        else:
            metrics.add(str(row[place["metric"]]))
            kept.append((run_id, n, loss, tokens))
    if not kept:
        raise InputDataError(
            f"No run that is selected can be used: {excluded[0].run_id} {excluded[0].reason}.",
            "Where a source that a run does not have is an empty cell: --tokens 'code=coalesce(code_tokens, 0)'",
        )
    if sized and len({n for _, n, *_ in kept}) == 1:
        raise InputDataError(
            "All runs that are selected have one n_params, so what parameters do to the loss cannot be told.",
            "Take them as runs of one size, with a law of tokens alone: --one-size",
        )
    every = np.array([tokens for *_, tokens in kept])
    size, loss_ = np.array([n for _, n, _, _ in kept]), np.array([one for _, _, one, _ in kept])
    by_source = {name: every[:, i] for i, name in enumerate(names)}
    reference = str(said) if said is not None else max(names, key=lambda name: float(by_source[name].sum()))
    source = MixtureRuns(by_source, size if sized else None, loss_, reference)
    law_inputs = _inputs(names, reference, sized)
    inputs = {"N": size} if sized else {}  # the order is that of the law, and so of its macro
    inputs |= {law_inputs[name]: column for name, column in by_source.items()}
    total = every.sum(axis=1)
    return DerivedSelection(
        run_ids=tuple(run_id for run_id, *_ in kept),
        inputs=inputs,
        observed=loss_,
        sql=sql,
        sha256=hash_lines([[run_id, n if sized else 0.0, loss, *tokens] for run_id, n, loss, tokens in kept]),
        excluded=tuple(excluded),
        not_selected=0,
        columns=({"N": "n_params"} if sized else {})
        | {law_inputs[name]: _as_column(text) for name, text in asked["tokens"].items()},
        metric=str(asked.get("metric") or (metrics.pop() if len(metrics) == 1 else "loss")),
        order=total * (size if sized else 1.0),
        members=tuple((run_id,) for run_id, *_ in kept),
        source=source,
    )


def make(rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> Fit:
    """Fit the law of sources."""
    from scaling.valuation.equivalence.quality import fit_source_weights

    runs: MixtureRuns = rows.source
    reference = asked.get("reference") or runs.reference
    return fit_source_weights(runs.tokens, runs.loss, runs.n_params, reference=reference, **settings).fit


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the largest runs out, by parameters times tokens of all sources."""
    import scaling

    return scaling.backtest_law(saved.fit, rows.inputs, rows.observed, by=rows.order, **settings)


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved fit."""
    asked, settings = config[kinds.KEY]["asked"], config["settings"]
    words = ["scaling", "value", "quality", *asked_words(asked, USUAL)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"])]
    return shlex.join([*words, "--name", config["name"]])


def _unusable(names: Sequence[str], tokens: Sequence[float], status: str, loss: float, n: float) -> str | None:
    """Why a run cannot be used; None where it can."""
    if status != "ok" or not math.isfinite(loss):
        return f"the loss is {status}"
    if not (math.isfinite(n) and n > 0):
        return "has no n_params"
    for name, amount in zip(names, tokens, strict=True):
        if not math.isfinite(amount):
            return f"has no number of tokens of {name}"
        if amount < 0:
            return f"has a negative number of tokens of {name}"
    return None if sum(tokens) > 0 else "has no tokens of any source"


def _inputs(names: list[str], reference: str, sized: bool) -> dict[str, str]:
    """Name the inputs of the law by source."""
    from scaling.valuation.equivalence.quality import source_law

    return source_law(names, reference, sized)[1]["inputs"]


def _as_column(text: str) -> str:
    """Write a column as `scaling show` names it: an expression stands in parentheses."""
    return text if text.isidentifier() else f"({text})"
