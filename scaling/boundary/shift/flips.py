"""Randomisation tests of many contrasts at once: groups change their sign, and the largest statistic is what counts.

A contrast is a sum of contributions, one a group, that have mean zero where there is no shift. Flipping the signs of
whole groups then changes nothing but chance, whatever the scatter within a group and however the groups differ in
theirs (Hemerik, Goeman and Finos 2020, JRSS B 82, 841). All contrasts see the same flips, so the largest of them under
flips is what the largest of those observed has to beat, however strongly they depend on each other (Westfall and Young
1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, did_you_mean

Array = NDArray[np.float64]

FEW_GROUPS = 8
ALTERNATIVES = ("two-sided", "greater")
_BLOCK = 1 << 21  # signs at a time


@dataclass(frozen=True)
class Randomised:
    """Contrasts against their randomisation.

    Parameters
    ----------
    statistic : ndarray (k,)
        Sum over groups, divided by the root of the sum of squares; 0 where all contributions are.
    p_single, p_corrected : ndarray (k,)
        Of each contrast alone, and after correction for having looked at all of them.
    largest : ndarray (permutations,)
        The largest statistic of each randomisation.
    """

    statistic: Array
    p_single: Array
    p_corrected: Array
    largest: Array


def flip_groups(sums: Array, permutations: int, seed: int, alternative: str = "two-sided") -> Randomised:
    """Test contrasts by flipping the signs of groups.

    Parameters
    ----------
    sums : ndarray (groups, k)
        Contribution of each group to each contrast.
    permutations : int
        Random flips.
    seed : int
        Of them.
    alternative : {'two-sided', 'greater'}
        Whether a negative contrast counts too.

    Returns
    -------
    Randomised
        p = (1 + flips at least as extreme) / (flips + 1).

    Raises
    ------
    UsageError
        For another alternative.
    """
    check_alternative(alternative)
    length = np.sqrt(np.sum(sums**2, axis=0))
    unit = sums / np.where(length > 0, length, 1)
    observed = np.sum(unit, axis=0)
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    block = max(1, _BLOCK // max(len(sums), 1))
    parts = []
    for start in range(0, permutations, block):
        signs = generator.integers(0, 2, size=(min(block, permutations - start), len(sums)), dtype=np.int8)
        parts.append((2.0 * signs - 1) @ unit)
    return against(observed, np.concatenate(parts), alternative)


def against(observed: Array, randomised: Array, alternative: str) -> Randomised:
    """Hold contrasts against their randomisations.

    Parameters
    ----------
    observed : ndarray (k,)
        Statistics.
    randomised : ndarray (permutations, k)
        The same, randomised; row by row the same randomisation for all.
    alternative : {'two-sided', 'greater'}
        Whether a negative contrast counts too.

    Returns
    -------
    Randomised
    """
    size, drawn = (observed, randomised) if alternative == "greater" else (np.abs(observed), np.abs(randomised))
    largest = np.max(drawn, axis=1)
    slack = 1e-12 * (1 + np.abs(size))  # the flip that changes no sign has to count, whatever the order of the sum
    count = len(drawn) + 1
    single = (1 + np.sum(drawn >= size - slack, axis=0)) / count
    corrected = (1 + np.sum(largest[:, None] >= size - slack, axis=0)) / count
    return Randomised(observed, single, corrected, largest)


def check_alternative(alternative: str) -> None:
    """Refuse an alternative that does not exist.

    Parameters
    ----------
    alternative : str
        As of `flip_groups`.

    Raises
    ------
    UsageError
        For another one.
    """
    if alternative not in ALTERNATIVES:
        raise UsageError(
            f"there is no alternative called '{alternative}'", hint=did_you_mean(alternative, ALTERNATIVES)
        )


def few_flips(groups: int) -> list[str]:
    """Say, in a list of one sentence or none, that there are too few groups for a small p-value."""
    if groups >= FEW_GROUPS:
        return []
    if groups == 1:
        return ["All rows are of one group, so nothing can be told from chance."]
    return [f"{groups} groups have only {2 ** (groups - 1)} different flips, so no p-value can be small."]


def group_sums(rows: Array, codes: NDArray[np.int64]) -> Array:
    """Sum rows (n, k) by group, shape (groups, k); groups without a row are zero."""
    out = np.zeros((int(codes.max()) + 1, rows.shape[1]))
    np.add.at(out, codes, rows)
    return out
