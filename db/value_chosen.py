"""How a part of the data is chosen: in memory, a shard at a time, or at random."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_data import Data, duplicates_note
from db.value_options import option_kinds
from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaling.valuation.choosing.selected import Selected
    from scaling.valuation.objective import Objective

    Indices = NDArray[np.intp]
    Progress = Callable[[int, int], None]

_COPIES = 3  # of the data: the rows, what is made of them, and the state of the candidates
_REPRESENTED = 2000  # rows that stand for all of them, where data come a shard at a time
_SHARED = {"lazy": "lazy", "eager": "lazy", "stochastic": "stochastic", "partitions": "stochastic"}


@dataclass(frozen=True)
class Wanted:
    """What is to be chosen; as `scaling.valuation.select` has it, with labels and costs as arrays."""

    k: int | None
    objective: str
    method: str
    seed: int
    options: dict[str, Any]
    labels: NDArray[Any] | None
    per_class: int | None
    caps: Mapping[str, int] | None
    costs: NDArray[np.float64] | None
    budget: float | None
    swaps: int
    epsilon: float | None
    parts: int | None


@dataclass(frozen=True)
class Chosen:
    """A part that was chosen.

    Parameters
    ----------
    selected : Selected
        The part.
    score : callable
        Scores any set of indices by the same objective.
    streamed : bool
        Whether data came a shard at a time.
    notes : tuple of str
        What a reader should know.
    """

    selected: Selected
    score: Callable[[Indices], float]
    streamed: bool
    notes: tuple[str, ...]


def choose(
    data: Data, wanted: Wanted, *, stream: bool, memory_gib: float | None, progress: Progress | None = None
) -> Chosen:
    """Choose a part of the data.

    Parameters
    ----------
    data : Data
        The candidates.
    wanted : Wanted
        What is to be chosen.
    stream : bool
        Whether data come a shard at a time even where they fit.
    memory_gib : float or None
        What may be used; half of the machine's where missing.
    progress : callable, optional
        Called with what is done and of all.

    Returns
    -------
    Chosen

    Raises
    ------
    UsageError
        For settings that do not go together.
    InputDataError
        For data that cannot be used.
    """
    from scaling.valuation.choosing.methods import METHODS

    known = (*METHODS, "random")
    if wanted.method not in known:
        raise UsageError(f"There is no method '{wanted.method}'.", did_you_mean(wanted.method, known))
    if memory_gib is not None and not memory_gib > 0:
        raise UsageError(f"--memory-gib is {format_number(memory_gib)}: a positive number is expected.")
    limit = _half_of_memory() if memory_gib is None else memory_gib * 2**30
    itemsize = max(4, data.rows.dtype.itemsize)
    needed = _COPIES * data.rows.n * data.rows.m * itemsize
    if wanted.method == "random":
        return _random(data, wanted)
    if stream or needed > limit:
        why = "as asked for" if stream else f"{format_number(needed / 2**30, 2)} GiB would not fit"
        return _streamed(data, wanted, why, progress)
    return _in_memory(data, wanted, progress)


def _in_memory(data: Data, wanted: Wanted, progress: Progress | None) -> Chosen:
    from scaling.valuation.choosing.entrance import select

    rows = data.rows.array()
    found = select(
        rows, wanted.k, wanted.objective, wanted.method, wanted.seed, labels=wanted.labels, per_class=wanted.per_class,
        caps=wanted.caps, costs=wanted.costs, budget=wanted.budget, swaps=wanted.swaps, epsilon=wanted.epsilon,
        parts=wanted.parts, progress=progress, **wanted.options,
    )  # fmt: skip
    scorer = _objective(rows, wanted, len(found))
    notes = [*duplicates_note(rows, data.name), *found.notes]
    return Chosen(found, scorer.score_of, False, tuple(dict.fromkeys(notes)))


def _streamed(data: Data, wanted: Wanted, why: str, progress: Progress | None) -> Chosen:
    """Choose from shards; what is to be represented is a sample, unless it is given."""
    from scaling.valuation.choosing.shards import select_from_shards

    limits = {
        "labels": wanted.labels, "per_class": wanted.per_class, "caps": wanted.caps, "costs": wanted.costs,
        "budget": wanted.budget, "parts": wanted.parts, "swaps": wanted.swaps or None,
    }  # fmt: skip
    if named := [name for name, value in limits.items() if value is not None]:
        raise UsageError(
            f"Data that come a shard at a time ({why}) have no place for {named[0]}.",
            "Raise --memory-gib, choose from a part of the data, or leave that out.",
        )
    if wanted.k is None:
        raise UsageError("k is missing: how many to choose.", "Give -k.")
    shards, options = data.rows, dict(wanted.options)
    notes = [f"data came in {format_plural(len(shards), 'shard')}: {why}"]
    if "represent" in option_kinds(wanted.objective) and options.get("represent") is None:
        from scaling.valuation.points.shard_source import draw_rows

        options["represent"], drawn = draw_rows(shards, _REPRESENTED, wanted.seed)
        notes.append(
            f"what is represented is a sample of {format_plural(len(drawn), 'row')}, drawn with seed {wanted.seed}: "
            "scores are over it"
        )
    method = "sieve" if wanted.method == "sieve" else "partitions"
    within = _SHARED.get(wanted.method, "stochastic")
    if wanted.method not in ("sieve", "partitions"):
        notes.append(f"'{wanted.method}' was asked for: it was used within shards, then among what these gave")
    found = select_from_shards(
        shards.rows, wanted.k, wanted.objective, method, wanted.seed, count=len(shards), within=within,
        epsilon=wanted.epsilon if wanted.method != "lazy" else None, progress=progress, **options,
    )  # fmt: skip

    def score(members: Indices) -> float:
        part = shards.gather(members)
        return float(_made(part, wanted.objective, len(members), options).score_of(np.arange(len(members))))

    return Chosen(found, score, True, (*notes, *found.notes))


def _random(data: Data, wanted: Wanted) -> Chosen:
    """Draw members, and score them as if they had been chosen."""
    from scaling.valuation.appraisal.draws import Draws
    from scaling.valuation.choosing.certificate import Certificate
    from scaling.valuation.choosing.selected import Selected

    unused = {
        "per_class": wanted.per_class, "caps": wanted.caps, "costs": wanted.costs, "budget": wanted.budget,
        "swaps": wanted.swaps or None, "epsilon": wanted.epsilon, "parts": wanted.parts,
    }  # fmt: skip
    if named := [name for name, value in unused.items() if value is not None]:
        raise UsageError(f"The method 'random' has no place for {named[0]}.", "--labels it has.")
    if wanted.k is None:
        raise UsageError("k is missing: how many to choose.", "Give -k.")
    rows = data.rows.array()
    generator = np.random.default_rng(np.random.SeedSequence(wanted.seed))
    members = Draws(data.n, wanted.k, wanted.labels).one(generator)
    members = generator.permutation(members)
    scorer = _objective(rows, wanted, wanted.k)
    state = scorer.fresh()
    gains = np.array([state.add(int(index)) for index in members])
    why = "members were drawn at random"
    settings = {key: value for key, value in state.describe().items() if key != "notes"}
    found = Selected(
        members, gains, Certificate(None, float(state.value), None, None, why), state.guarantee, None,
        f"none: {why}", state.name, "random", {**settings, "k": wanted.k}, wanted.seed, data.n, float(state.value),
        float(state.score()), best_prefix=len(members),
    )  # fmt: skip
    return Chosen(found, scorer.score_of, False, tuple(duplicates_note(rows, data.name)))


def _objective(rows: NDArray[Any], wanted: Wanted, size: int) -> Objective:
    """Make the objective that scores sets of a size, with the empty set."""
    return _made(rows, wanted.objective, size, wanted.options)


def _made(rows: NDArray[Any], objective: str, size: int, options: dict[str, Any]) -> Objective:
    from scaling.valuation.catalogue import make_objective

    return make_objective(objective, rows, min(2 * size, len(rows)), **options)


def _half_of_memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
