"""Selection from data that come a shard at a time, none of which has to fit in memory beside another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_percent
from scaling.valuation.catalogue import OBJECTIVES, make_objective
from scaling.valuation.choosing.certificate import UpperBound
from scaling.valuation.choosing.constraints import make_constraint
from scaling.valuation.choosing.greedy import Progress, all_gains
from scaling.valuation.choosing.methods import EPSILON, scores_of
from scaling.valuation.choosing.selected import Selected
from scaling.valuation.choosing.shard_passes import Kept, Maker, Source, merged, parted, sieved
from scaling.valuation.embeddings import Rows
from scaling.valuation.objective import Indices, Objective

METHODS = ("partitions", "sieve")
WITHIN = ("stochastic", "lazy")
_ALL_ROWS = ("k_center", "flvmi", "flcg", "v_optimal", "g_optimal", "gio")  # f of a set depends on all other rows


def select_from_shards(
    shards: Iterable[ArrayLike] | Callable[[int], ArrayLike],
    k: int,
    objective: str = "vendi",
    method: str = "partitions",
    seed: int = 0,
    *,
    count: int | None = None,
    within: str = "stochastic",
    epsilon: float | None = None,
    certify: bool = True,
    progress: Progress | None = None,
    **objective_options: Any,
) -> Selected:
    """Choose k candidates from shards of embeddings, with one shard in memory at a time.

    A mapped array needs none of this: ``select(mapped, k, method="stochastic")`` reads what it draws.

    Parameters
    ----------
    shards : iterable of array_like (n_i, m), or callable
        Shards in their order, or what gives the i-th. A generator can be passed over once only, and then there is no
        certificate: it takes a second pass.
    k : int
        How many to choose.
    objective : str, default "vendi"
        A name of the catalogue. What is to be represented has to be the same for every shard: give ``represent``, such
        as a sample of the rows, to the objectives that have it.
    method : {"partitions", "sieve"}
        "partitions" chooses k of each shard and k of those, and holds k rows a shard. "sieve" passes over the rows
        once, with many thresholds, and holds O(k log(k) / epsilon) rows.
    seed : int, default 0
        Of samples within shards.
    count : int, optional
        Number of shards, where `shards` is callable.
    within : {"stochastic", "lazy"}
        How "partitions" chooses in a shard.
    epsilon : float, optional
        As of `select`.
    certify : bool, default True
        Whether the gains of all rows are evaluated at the end, in a second pass.
    progress : callable, optional
        Called as ``progress(done, total)`` with shards; the total is 0 where it is not known.
    **objective_options
        Of the objective.

    Returns
    -------
    Selected
        Indices count rows over all shards.

    Raises
    ------
    UsageError
        For settings that do not go together, or an objective whose value depends on rows that are not there.
    InputDataError
        For shards that cannot be used, or fewer rows than k.
    """
    step = _checked(objective, method, within, epsilon, objective_options)
    source = Source(shards, count)
    make = _maker(objective, method, k, objective_options)
    if method == "sieve":
        kept = sieved(source, make, k, step, progress)
    else:
        kept = parted(source, make, k, within, step, seed, progress)
    constraint, _ = make_constraint(kept.n, k)
    state, evaluations = merged(make(kept.rows), kept, k, fills=method == "sieve")
    # Gains in their order, and the members by their numbers among all rows.
    final = state.fresh()
    gains = np.array([final.add(index) for index in state.chosen])
    indices = kept.ids[final.chosen]
    upper = UpperBound(final, constraint, wanted=certify)
    notes = [kept.note]
    if certify and not upper.why_not:
        if source.again:
            evaluations += _second_pass(source, make, final, kept.rows[final.chosen], indices, upper)
        else:
            notes.append("no certificate: it takes a second pass, and these shards can be passed over once")
    return _result(final, gains, indices, upper, kept, method, within, step, seed, evaluations, notes)


def _checked(objective: str, method: str, within: str, epsilon: float | None, options: dict[str, Any]) -> float:
    """Return epsilon; refuse what does not go together."""
    if method not in METHODS:
        raise UsageError(f"There is no method '{method}' for shards.", did_you_mean(str(method), METHODS))
    if within not in WITHIN:
        raise UsageError(f"There is no way '{within}' within a shard.", did_you_mean(str(within), WITHIN))
    if epsilon is not None and not 0 < epsilon < 1:
        raise UsageError(f"epsilon is {epsilon}: a number between 0 and 1 is expected.")
    if objective not in OBJECTIVES:
        raise UsageError(f"There is no objective '{objective}'.", did_you_mean(str(objective), OBJECTIVES))
    if objective in _ALL_ROWS:
        raise UsageError(
            f"The value of '{objective}' depends on all rows, and a shard has but some.",
            "Select from a mapped array: select(mapped, k, method='stochastic').",
        )
    module, kind, _ = OBJECTIVES[objective]
    known = inspect.signature(getattr(import_module(f"scaling.valuation.{module}"), kind).build).parameters
    if "represent" in known and options.get("represent") is None:
        raise UsageError(
            f"'{objective}' has to know what is to be represented, the same for every shard.",
            "Give represent=, such as a sample of some thousand rows.",
        )
    return EPSILON["sieve" if method == "sieve" else "stochastic"] if epsilon is None else float(epsilon)


def _maker(objective: str, method: str, k: int, options: dict[str, Any]) -> Maker:
    """Return what makes the objective over some rows: the same f, whichever rows these are."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UsageError(f"k is {k}: a whole number of members, from 1 on, is expected.")

    def make(rows: Rows) -> Objective:
        made = make_objective(objective, rows, 2 * int(k), **options)
        return made if method == "sieve" else made.of_one_size()

    return make


def _second_pass(
    source: Source,
    make: Maker,
    final: Objective,
    members: Rows,
    indices: Indices,
    upper: UpperBound,
) -> int:
    """Bound the optimum by the gains of all rows at the set that was chosen; returns how many there are."""
    worth = []
    for _, _, rows in source:
        state = make(np.concatenate([members, rows]))
        state.extend(np.arange(len(members)))
        worth.append(all_gains(state)[len(members) :] + state.error)
    gains = np.concatenate(worth) / final.guarantee.ratio
    gains[indices] = -np.inf
    size = len(indices)
    upper.offer(final.value + size * final.error + upper.constraint.largest_sum(gains), size)
    return len(gains)


def _result(
    final: Objective,
    gains: np.ndarray[tuple[int], np.dtype[np.float64]],
    indices: Indices,
    upper: UpperBound,
    kept: Kept,
    method: str,
    within: str,
    epsilon: float,
    seed: int,
    evaluations: int,
    notes: list[str],
) -> Selected:
    """Put the result together."""
    share, promise = _promise(final, method, within, epsilon, kept.shards)
    scores = scores_of(final, gains)
    return Selected(
        indices=indices,
        gains=gains,
        certificate=upper.certificate(final),
        guarantee=final.guarantee,
        promised_share=share,
        promise=promise,
        objective=final.name,
        method=f"{method} over shards",
        options={
            **{name: value for name, value in final.describe().items() if name != "notes"},
            "k": len(indices),
            "shards": kept.shards,
            "epsilon": epsilon,
            **({"within": within} if method == "partitions" else {}),
        },
        seed=seed,
        n=kept.n,
        value=float(final.value),
        score=float(final.score()),
        scores=scores,
        best_prefix=1 + int(np.argmax(gains.cumsum() if scores is None else scores)),
        evaluations=evaluations,
        notes=tuple(notes),
    )


def _promise(final: Objective, method: str, within: str, epsilon: float, shards: int) -> tuple[float | None, str]:
    """Return what is certain on any data, shards as they come."""
    guarantee = final.guarantee
    if guarantee.kind != "submodular" or not guarantee.monotone:
        return None, "none: the objective is not known to be monotone and submodular"
    if method == "sieve":
        share, expected = max(0.0, 0.5 - epsilon), ""
    else:
        # One shard's part of the optimum is worth 1/shards of it or more, and the set of that shard is close to that.
        greedy = float(-np.expm1(-(1 - epsilon if within == "stochastic" else 1.0)))
        share, expected = greedy / shards, " in expectation" if within == "stochastic" else ""
    return share, f"at least {format_percent(share, 3)} of the optimum{expected}, on any data and shards"
