"""All subsets of families within a budget, or a walk through them; see `scaling.boundary.observational.families`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.observational.table import Mask

Array = NDArray[np.float64]

SINGULAR = 1e-10  # smallest eigenvalue of S'S relative to X'X that counts as above 0
_BATCH = 200_000
_GAIN = 1e-12  # of the criterion, below which a move gains nothing but rounding


@dataclass(frozen=True)
class FamilyProblem:
    """Families as their sizes and whitened Gram matrices: those of all models add up to the identity."""

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    grams: Array
    forced: Mask
    budget: int
    most_families: int


def count_subsets(problem: FamilyProblem) -> int:
    """Count the subsets within the budget, without making them."""
    room, left = problem.budget - int(problem.sizes[problem.forced].sum()), problem.most_families - problem.forced.sum()
    free = problem.sizes[~problem.forced].tolist()
    ways = [[0] * (room + 1) for _ in range(min(int(left), len(free)) + 1)]
    ways[0][0] = 1
    for size in free:
        for taken in range(len(ways) - 1, 0, -1):
            for total in range(room, size - 1, -1):
                ways[taken][total] += ways[taken - 1][total - size]
    return sum(map(sum, ways))


def _criterion(grams: Array) -> Array:
    """tr(M^-1) of whitened Gram matrices (m, K, K); infinite where one is singular."""
    values = np.concatenate(
        [np.linalg.eigvalsh(grams[i : i + _BATCH]) for i in range(0, len(grams), _BATCH)] or [np.empty((0, 1))]
    )
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(values[:, 0] > SINGULAR, np.sum(1.0 / np.abs(values), axis=1), np.inf))


def enumerate_subsets(problem: FamilyProblem) -> tuple[Mask, float, float, int]:
    """Try all subsets; return the best, its criterion, and the median of those with as many models."""
    free = np.flatnonzero(~problem.forced)
    masks = problem.forced[None]
    totals = np.array([problem.sizes[problem.forced].sum()])
    for j in free:
        fits = (totals + problem.sizes[j] <= problem.budget) & (masks.sum(axis=1) < problem.most_families)
        with_it = masks[fits].copy()
        with_it[:, j] = True
        masks, totals = np.concatenate([masks, with_it]), np.concatenate([totals, totals[fits] + problem.sizes[j]])
    k = problem.grams.shape[1]
    flat = problem.grams.reshape(len(problem.sizes), -1)
    found = np.concatenate(
        [
            _criterion((masks[i : i + _BATCH].astype(float) @ flat).reshape(-1, k, k))
            for i in range(0, len(masks), _BATCH)
        ]
    )
    best = int(np.lexsort((totals, found))[0])
    same = found[(totals == totals[best]) & np.isfinite(found)]
    return masks[best], float(found[best]), float(np.median(same)) if len(same) else float("nan"), len(same)


def exchange_families(problem: FamilyProblem) -> tuple[Mask, float, int]:
    """Add, drop and swap families while that gains, beginning with every pair beside the forced ones."""
    best, lowest, tried = problem.forced, float("inf"), 0
    for start in _starts(problem):
        now, score, worked = _descend(problem, start)
        tried += worked
        if score < lowest * (1 - _GAIN):
            best, lowest = now, score
    gram = np.tensordot(best.astype(float), problem.grams, axes=1)
    return best, float(_criterion(gram[None])[0]), tried


def _starts(problem: FamilyProblem) -> Mask:
    """Return the forced families, and with each other family or two beside them, within the budget."""
    single = np.eye(len(problem.names), dtype=bool)[~problem.forced]
    pairs = [one | other for one, other in itertools.combinations(single, 2)]
    starts = np.array([problem.forced, *(problem.forced | more for more in [*single, *pairs])])
    return np.asarray(starts[_allowed(problem, starts)])


def _allowed(problem: FamilyProblem, masks: Mask) -> Mask:
    """Tell which subsets are within the budget."""
    return np.asarray((masks @ problem.sizes <= problem.budget) & (masks.sum(axis=1) <= problem.most_families))


def _descend(problem: FamilyProblem, start: Mask) -> tuple[Mask, float, int]:
    """Take the best move until none gains; return where that ends, its score, and how many were worked out."""
    now, tried = start, 1
    score = float(_score(problem, now[None])[0])
    while len(moves := _moves(problem, now)):
        scores = _score(problem, moves)
        tried += len(moves)
        best = int(np.argmin(scores))
        if not scores[best] < score * (1 - _GAIN):
            break
        now, score = moves[best], float(scores[best])
    return now, score, tried


def _score(problem: FamilyProblem, masks: Mask) -> Array:
    """Criterion of subsets with a little ridge, so that singular ones can be told apart on the way."""
    k = problem.grams.shape[1]
    grams = np.tensordot(masks.astype(float), problem.grams, axes=1) + 1e-9 * np.eye(k)
    return np.asarray(np.sum(1.0 / np.linalg.eigvalsh(grams), axis=1))


def _moves(problem: FamilyProblem, now: Mask) -> Mask:
    """All subsets one addition, removal or swap away, within the budget."""
    out = []
    inside = np.flatnonzero(now & ~problem.forced)
    for away in (None, *inside):
        base = now.copy()
        if away is not None:
            base[away] = False
            out.append(base)
        for j in np.flatnonzero(~now):
            more = base.copy()
            more[j] = True
            out.append(more)
    moves = np.array(out, bool).reshape(-1, len(now))
    return np.asarray(moves[_allowed(problem, moves)])
