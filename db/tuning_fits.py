"""Fits of the best learning rate and batch over size and tokens: one row an optimum, worked out from whole sweeps.

A sweep gives several laws, each an ordinary saved fit: ``NAME_lr``, ``NAME_batch``, ``NAME_coupled``; where runs vary
weight decay ``NAME_timescale``; and where it was asked for the loss of all runs at once, ``NAME_loss``. `db.tunings`
saves and loads them together.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.batch_steps import asked_words
from db.kinds import KEY, DerivedSelection, hash_lines
from db.select import Excluded
from db.tuning_runs import sql_of, sweep_of
from db.tuning_sweeps import USUAL, TuningSweep
from scaling.errors import InputDataError
from scaling.formatting import format_percent

if TYPE_CHECKING:
    from db.saved import SavedFit
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

__all__ = ["KIND", "PARTS", "backtest", "backtest_words", "command_of", "derive", "make", "selection_of", "sql_of"]

Array = NDArray[np.float64]

KIND = "tuning"
#: Law of each part.
PARTS = {
    "lr": "optimal_learning_rate", "batch": "optimal_batch", "coupled": "coupled_learning_rate",
    "timescale": "ema_timescale", "loss": "tuned_loss",
}  # fmt: skip


def derive(
    asked: Mapping[str, Any], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], sql: str
) -> DerivedSelection:
    """Work the rows out that the law of one part is fitted to."""
    sweep, excluded = sweep_of(asked, columns, rows)
    return selection_of(asked, sweep, excluded, sql)


def selection_of(
    asked: Mapping[str, Any], sweep: TuningSweep, excluded: Sequence[Excluded], sql: str
) -> DerivedSelection:
    """Make the points of one part the rows of a fit."""
    inputs, observed, group, cells, runs = _points(asked["part"], sweep)
    batch, context = asked["batch"], asked.get("context_length")
    names = {
        "N": "n_params", "D": "n_tokens", "R": "(n_tokens / n_params)", "lr": str(asked["rate"]),
        "B": f"({batch} * {context:g})" if context else str(batch),
    }  # fmt: skip
    return DerivedSelection(
        run_ids=runs or tuple(sweep.best_run(k) for k in cells),
        inputs=inputs,
        observed=observed,
        sql=sql,
        sha256=hash_lines(sweep.lines()),
        excluded=tuple(excluded),
        not_selected=0,
        columns={name: names[name] for name in inputs},
        metric=str(asked.get("metric") or "loss"),
        clusters=_labels(group),
        members=None if runs else tuple(sweep.members(k) for k in cells),
        source=sweep,
        notes=sweep.notes,
    )


def make(rows: DerivedSelection, asked: Mapping[str, Any], **settings: Any) -> Fit:
    """Fit the law of one part: least squares of logarithms, cells drawn whole; of losses as `fit_loss_surface` does."""
    import scaling

    if asked["part"] == "loss":
        own = settings | {"bootstrap": int(asked.get("surface_bootstrap") or 0)}
        fit: Fit = rows.source.fit_surface(**own).fit
        return fit
    clusters = None if rows.clusters is None else np.array(rows.clusters)
    return scaling.fit(
        PARTS[asked["part"]], rows.inputs, rows.observed, objective="squared", groups=clusters, **settings
    )  # fmt: skip


def backtest(saved: SavedFit, rows: DerivedSelection, **settings: Any) -> Backtest:
    """Hold the largest cells out, by compute or by what the law is over, and forecast their optima."""
    import scaling

    with np.errstate(over="ignore"):  # of the loss of few cells: steps far off the data, which the engine shortens
        return scaling.backtest_law(
            saved.fit, rows.inputs, rows.observed, groups=rows.clusters, **settings
        )  # fmt: skip


def backtest_words(rows: DerivedSelection) -> list[str]:
    """Say what laws of the smaller cells give up in the largest ones, which is what their errors cost."""
    found, said = rows.source.regrets(), []
    for name, words in (("largest_parameters_out", "of the largest model"), ("largest_compute_out", "of most compute")):
        if (one := found.get(name)) is not None:
            said.append(
                f"In the cells {words} the learning rate and batch by laws of the others give up "
                f"{format_percent(one.mean, 3)} of the loss on average and {format_percent(one.worst, 3)} at most."
            )
    return said


def command_of(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved fit and those saved with it."""
    asked, settings = config[KEY]["asked"], config["settings"]
    words = ["scaling", "tune", "fit", *asked_words(asked, USUAL)]
    words += ["--bootstrap", str(settings["bootstrap"]), "--seed", str(settings["seed"])]
    return shlex.join([*words, "--name", str(asked["base"])])


def _points(
    part: str, sweep: TuningSweep
) -> tuple[dict[str, Array], Array, NDArray[np.int64], list[int], tuple[str, ...]]:
    """Inputs of the law of a part, what it predicts, its clusters, the cell and, where a row is one, the run."""
    if part == "timescale":
        found = sweep.timescale
        cells = [sweep.cell_at(n, d) for n, d in zip(found.n_params, found.n_tokens, strict=True)]
        return {"R": found.n_tokens / found.n_params}, found.tau, found.law.group, cells, ()
    if part == "loss":
        return _losses(sweep)
    laws = sweep.laws
    if part == "coupled":
        if laws.coupled is None:
            raise InputDataError("Too few batches have a best learning rate of their own.")
        at = laws.slices
        inputs = {"N": at.n_params, "D": at.n_tokens, "B": at.batch}
        return inputs, at.lr, at.group, at.group.tolist(), ()
    o = laws.optima
    if part == "lr":
        return {"N": o.n_params, "D": o.n_tokens}, o.lr, o.group, o.group.tolist(), ()
    return {"D": o.n_tokens}, o.batch, o.group, o.group.tolist(), ()


def _losses(
    sweep: TuningSweep,
) -> tuple[dict[str, Array], Array, NDArray[np.int64], list[int], tuple[str, ...]]:
    """Rows of the law of the loss: runs, in the order of its residuals."""
    _, group, within = sweep.on_surface
    cells = [sweep.cells[k] for k in group]
    at = list(zip(cells, within, strict=True))
    columns = {
        "N": np.array([cell.n_params for cell in cells]),
        "D": np.array([cell.n_tokens for cell in cells]),
        "lr": np.array([cell.lr[i] for cell, i in at]),
        "B": np.array([cell.batch[i] for cell, i in at]),
    }
    runs = tuple(sweep.members(k)[i] for k, i in zip(group, within, strict=True))
    return columns, np.array([cell.loss[i] for cell, i in at]), group, group.tolist(), runs


def _labels(group: NDArray[np.int64]) -> tuple[str, ...] | None:
    """Clusters as the laws have them; none where all points are of one cell."""
    from scaling.hyperparameters.laws import labels

    return tuple(str(label) for label in labels(group)) if len(np.unique(group)) > 1 else None
