"""Which models of the store to evaluate next on a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.columns import check_expression
from db.problems import nearest
from db.scores import EXCLUDABLE, exclusion_test
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.score_rows import ScoreRows
    from db.store import Store
    from scaling.boundary.design import Design, DesignComparison

#: What evaluating a model can be said to cost.
COSTS = ("n_params", "n_params_active", "one")
_GROUPS = ("base_model", "organisation", "family", "type", "architecture", "name")
_LEAST = 10  # scores that a comparison of designs is worth making with


@dataclass(frozen=True)
class DesignAnswer:
    """Models to evaluate, and what each way of choosing recovers where scores tell.

    Parameters
    ----------
    rows : ScoreRows or None
        Scores of the task; None for a task that nobody has run.
    model, model_id : tuple of str (n,)
        The pool.
    group : tuple of str (n,)
        Their groups; a model without one goes by its own name.
    log10_compute, cost : ndarray (n,)
        Decades of FLOP; what evaluating each costs.
    known : ndarray of bool (n,)
        Which are evaluated.
    design : Design
        Positions are those of the pool.
    comparison : DesignComparison or None
        Of designs that begin with nothing, on the models with a score.
    why_none : str
        Why there is no comparison.
    notes : tuple of str
        What is to be known of the pool.
    """

    rows: ScoreRows | None
    model: tuple[str, ...]
    model_id: tuple[str, ...]
    group: tuple[str, ...]
    log10_compute: NDArray[np.float64]
    cost: NDArray[np.float64]
    known: NDArray[np.bool_]
    design: Design
    comparison: DesignComparison | None
    why_none: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Pool:
    """Models of the store with a compute and a cost, each once."""

    name: tuple[str, ...]
    model_id: tuple[str, ...]
    group: tuple[str, ...]
    z: NDArray[np.float64]
    cost: NDArray[np.float64]
    notes: tuple[str, ...]


def design_of(
    store: Store,
    task: str | None,
    asked: Mapping[str, Any],
    budget: tuple[float, str],
    *,
    design: str = "stratified",
    cost: str = "n_params",
    known: str | None = None,
    test: str | None = None,
    compare: bool = True,
    fit: Mapping[str, Any],
    draws: int = 20,
    seed: int = 0,
    **settings: Any,
) -> DesignAnswer:
    """Choose which models of the store to evaluate on a task.

    Parameters
    ----------
    store : Store
        An open store.
    task : str, optional
        The task; None for one that nobody has run.
    asked : mapping
        As of `db.scores.load_scores`. The condition and what is excluded hold for the pool as well.
    budget : (float, str)
        As of `scaling.boundary.design.choose_models`: how much, and of which unit.
    design, seed
        As of `scaling.boundary.design.choose_models`.
    cost : {'n_params', 'n_params_active', 'one'}
        Column of the cost, or all models alike.
    known : str, optional
        Condition on ``scores``: which scores of the task count as there. All of them where missing.
    test : str, optional
        Condition on ``scores``: which scores the comparison forecasts; their models are no part of its pool.
    compare : bool
        Whether designs are compared on the scores that exist.
    fit : mapping
        ``tau preset kappa ridge`` of the boundaries of the comparison.
    draws : int
        As of `scaling.boundary.design.compare_designs`.
    **settings
        Of the design.

    Returns
    -------
    DesignAnswer

    Raises
    ------
    UsageError
        For a question, budget or setting that makes no sense.
    InputDataError
        Where no model can be chosen: none has compute and a cost, all are known, or the budget pays for none.
    """
    from db.scores import load_scores
    from scaling.boundary.design import choose_models

    if cost not in COSTS:
        raise UsageError(f"There is no cost '{cost}'.", nearest(cost, COSTS))
    rows = None if task is None else load_scores(store, task, **asked)
    if rows is None and (known or test):
        raise UsageError("--known and --test choose scores of a task, and none is named.", "Name the task.")
    pool = _read_pool(store, asked, cost, rows)
    scored = {} if rows is None else dict(zip([name.lower() for name in rows.model], rows.eval_id, strict=True))
    there = scored if known is None else _among(store, scored, known, "--known")
    mask = np.array([name.lower() in there for name in pool.name])
    if mask.all():
        raise InputDataError(
            f"All {len(mask)} models of the store with compute and a cost have a score on '{task}', so there is none "
            "to choose.",
            "To plan as if none of them were known: --known false. As if some were: --known \"date < '2024-07-01'\"",
        )
    groups = None if asked["group"] is None else pool.group
    price = None if cost == "one" else pool.cost
    made = choose_models(
        pool.z, price, budget[0], design, known=mask, groups=groups, seed=seed, unit=budget[1], **settings
    )
    comparison, why = None, "not asked for"
    if compare:
        later = {} if rows is None or test is None else _among(store, scored, test, "--test")
        comparison, why = _compared(
            rows, pool, later, budget, {design: settings}, fit, draws=draws, seed=seed, alike=cost == "one"
        )  # fmt: skip
    return DesignAnswer(
        rows, pool.name, pool.model_id, pool.group, pool.z, pool.cost, mask, made, comparison, why, pool.notes
    )


def _read_pool(store: Store, asked: Mapping[str, Any], cost: str, rows: ScoreRows | None) -> _Pool:
    """Models of the store, one a name; of several descriptions that of the scores comes first."""
    group = asked["group"] or "name"
    if group not in _GROUPS:
        raise UsageError(f"Models have no column '{group}' to group by.", nearest(group, _GROUPS))
    for name in asked["exclude"]:
        if name not in EXCLUDABLE:
            raise UsageError(f"There is no property to exclude by '{name}'.", nearest(name, EXCLUDABLE))
    parts = [f"NOT ({exclusion_test(name)})" for name in asked["exclude"]]
    if asked["where"] is not None:
        check_expression(asked["where"], "--where", "base_model <> 'phi-1' AND n_params > 1e9")
        parts.append(f"lower(name) IN (SELECT lower(model) FROM scores WHERE ({asked['where']}\n))")
    price = "1.0" if cost == "one" else cost
    _, found = store.query(
        f"SELECT lower(name), name, model_id, {group}, log10(compute_flop), {price} FROM (SELECT *, "
        "log10(max(compute_flop) OVER of_name) - log10(min(compute_flop) OVER of_name) AS compute_gap "
        "FROM models WINDOW of_name AS (PARTITION BY lower(name))) "
        f"WHERE {' AND '.join(parts) or 'true'} ORDER BY lower(name), source_id, model_id"
    )
    mine = set() if rows is None else set(rows.model_id)
    chosen: dict[str, Sequence[Any]] = {}
    for key, *model in found:
        if key not in chosen or _rank(model, mine) > _rank(chosen[key], mine):
            chosen[key] = model
    kept = [m for m in chosen.values() if m[3] is not None and m[4] is not None]
    lost = {"compute": sum(m[3] is None for m in chosen.values())}
    lost[cost] = sum(m[3] is not None and m[4] is None for m in chosen.values())
    notes = tuple(
        f"{format_plural(count, 'model')} of the store left out of the pool: no {what}."
        for what, count in lost.items()
        if count
    )
    if not kept:
        raise InputDataError(
            f"None of the {format_plural(len(chosen), 'model')} of the store has both compute and a cost ({cost})."
            if chosen
            else "The store has no models that could be evaluated.",
            "Join a table of models when reading scores in: scaling ingest FILE --scores --models TABLE. Where costs "
            "are not known, --cost one takes all models for alike.",
        )
    return _Pool(
        tuple(str(m[0]) for m in kept),
        tuple(str(m[1]) for m in kept),
        tuple(str(m[0] if m[2] is None else m[2]) for m in kept),
        np.array([m[3] for m in kept], float),
        np.array([m[4] for m in kept], float),
        notes,
    )


def _rank(model: Sequence[Any], mine: set[str]) -> tuple[bool, bool, bool]:
    """How good a description of a model is: whether it is of the scores, has compute, and has a cost."""
    return model[1] in mine, model[3] is not None, model[4] is not None


def _among(store: Store, scored: Mapping[str, str], condition: str, option: str) -> dict[str, str]:
    """Those of the scores that meet a condition."""
    check_expression(condition, option, "date < '2024-07-01'")
    _, found = store.query(f"SELECT eval_id FROM scores WHERE ({condition}\n)")
    ids = {row[0] for row in found}
    return {name: one for name, one in scored.items() if one in ids}


def _compared(
    rows: ScoreRows | None,
    pool: _Pool,
    later: Mapping[str, str],
    budget: tuple[float, str],
    settings: Mapping[str, Mapping[str, Any]],
    fit: Mapping[str, Any],
    *,
    draws: int,
    seed: int,
    alike: bool,
) -> tuple[DesignComparison | None, str]:
    """Hold designs against random choice on the models with a score; else say why not."""
    from scaling.boundary.design import compare_designs

    if rows is None:
        return None, "no score of the task exists"
    place = {name.lower(): i for i, name in enumerate(pool.name)}
    best: dict[str, int] = {}
    for i, name in enumerate(rows.model):
        key = name.lower()
        if key in place and (key not in best or rows.score[i] > rows.score[best[key]]):
            best[key] = i
    inside = [i for name, i in best.items() if name not in later]
    outside = [i for name, i in best.items() if name in later]
    if len(inside) < _LEAST:
        return None, f"only {format_plural(len(inside), 'model')} of the pool have a score"
    at = [place[rows.model[i].lower()] for i in inside]
    tested = (rows.log10_compute[outside], rows.score[outside]) if outside else (None, None)
    designs = [*dict.fromkeys([*settings, "stratified", "i_optimal", "d_optimal"])]
    try:
        made = compare_designs(
            pool.z[at], None if alike else pool.cost[at], rows.score[inside], budget[0], unit=budget[1],
            groups=[pool.group[i] for i in at], test_log10_compute=tested[0], test_score=tested[1], designs=designs,
            settings=settings, draws=draws, seed=seed, **fit,
        )  # fmt: skip
    except InputDataError as error:
        return None, error.message.rstrip(".")
    return made, ""
