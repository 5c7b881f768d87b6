"""The loss of one run as a map takes it: the metric of its source, in its unit, with the compute of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.pairs import PairQuestion
from db.problems import nearest
from db.views import quote_name
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store


@dataclass(frozen=True)
class MeasuredRun:
    """A run whose loss is the x of a map.

    Parameters
    ----------
    run_id : str
        Which.
    x : float
        Its loss, in the unit of the map's x.
    compute_flop : float or None
        Its training compute.
    remarks : tuple of str
        What is odd about it.
    """

    run_id: str
    x: float
    compute_flop: float | None
    remarks: tuple[str, ...]


def pair_question(saved: SavedFit) -> PairQuestion:
    """Return which pairs a saved fit was made of.

    Raises
    ------
    UsageError
        For a fit that is no map of one loss to another.
    """
    if "accuracy" in saved.config:
        name = saved.name
        raise UsageError(
            f"The fit '{name}' is of an accuracy over a loss, not a map of one loss to another.",
            f"At a measured loss: scaling forecast {name} --at x=LOSS. From a size or a budget, by a law of that loss: "
            f"scaling forecast LAW --then {name} --flops 1e21",
        )
    if (kept := saved.config.get("pairs")) is None or list(saved.fit.law.inputs) != ["x"]:
        raise UsageError(
            f"The fit '{saved.name}' is no map of one loss to another, but a fit of {saved.fit.law.name}.",
            "Make one: scaling transfer fit --from A --to B",
        )
    return PairQuestion.from_dict(kept)


def measured_run(store: Store, saved: SavedFit, run_id: str) -> MeasuredRun:
    """Read what a map needs of a run.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The map.
    run_id : str
        The run, of the source of the map.

    Returns
    -------
    MeasuredRun

    Raises
    ------
    UsageError
        Where there is no such run, or it is not of the map's source.
    InputDataError
        Where it has no loss that can be used.
    """
    from scaling.loss_to_loss.units import bits_per_byte

    question = pair_question(saved)
    base = store.runs_final_sql(question.metric_source)
    _, rows = store.query(
        f"SELECT CAST({quote_name(question.column)} AS VARCHAR), loss, loss_status, compute_flop "
        f"FROM ({base}) WHERE run_id = ?",
        [run_id],
    )
    if not rows:
        _, known = store.query(
            f"SELECT run_id FROM ({base}) WHERE CAST({quote_name(question.column)} AS VARCHAR) = ? "
            "ORDER BY compute_flop DESC LIMIT 10000",
            [question.source],
        )
        hint = nearest(run_id, [row[0] for row in known])
        raise UsageError(
            f"The store has no run '{run_id}'.", hint.replace("There are", f"Of {question.source} there are", 1)
        )
    value, loss, status, compute = rows[0]
    if value != question.source:
        raise UsageError(
            f"The run '{run_id}' is of {question.column} = {value}, and the map {saved.name} starts from "
            f"{question.source}.",
            f"Name a run of {question.source}, or fit a map from {value}.",
        )
    if status != "ok" or loss is None or not loss > 0:
        what = f"is {status}" if status != "ok" else f"is {loss}"
        raise InputDataError(f"The {question.metric_source} of run '{run_id}' {what}, so no loss follows from it.")
    x, each = float(loss), question.bytes_per_token_source
    return MeasuredRun(
        run_id, bits_per_byte(x, each) if each else x, None if compute is None else float(compute),
        _remarks(store, saved, run_id),
    )  # fmt: skip


def _remarks(store: Store, saved: SavedFit, run_id: str) -> tuple[str, ...]:
    _, rows = store.query("SELECT 1 FROM fit_rows WHERE fit_id = ? AND run_id = ?", [saved.fit_id, run_id])
    return (f"The run {run_id} is one of those that the map was fitted to.",) if rows else ()


def question_words(saved: SavedFit) -> dict[str, Any]:
    """Return what a map predicts from what, for the head of an answer."""
    question = pair_question(saved)
    return {"map": question.words, "x_unit": saved.fit.law.inputs["x"], "y_unit": saved.fit.law.unit}
