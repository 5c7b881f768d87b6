"""Pretraining compute of models: as a source gives it, or from sizes and tokens, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from db.score_columns import Fields, derive
from db.score_mapping import ScoreMapping

BY_SIZE, BY_ACTIVE, GIVEN = "6ND", "6ND of the active parameters", "given"


@dataclass(frozen=True)
class Computes:
    """Compute of each row of a table.

    Parameters
    ----------
    flop, low, high : ndarray (n,)
        Compute, and its ends where two ways of counting differ, FLOP; NaN where unknown.
    rules : list of str or None (n,)
        How it was found.
    """

    flop: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rules: list[str | None]


def find_computes(fields: Fields, mapping: ScoreMapping, n_rows: int) -> Computes:
    """Find the compute of each row.

    Parameters
    ----------
    fields : Fields
        Fields of the table, after its joins; other derived fields are added.
    mapping : ScoreMapping
        Its derived fields; without one for the compute, it is 6*N*D.
    n_rows : int
        Rows of the table.

    Returns
    -------
    Computes
        What the source gives comes first. Of a mixture of experts whose active parameters are known it is 6 times
        those times the tokens, because that is what training costs; both counts are kept as its ends.
    """
    numbers, nothing = fields.numbers, np.full(n_rows, np.nan)
    for name, text in mapping.derived.items():
        if name != "compute_flop":
            numbers[name] = derive(text, name, numbers, n_rows)
    size, active = numbers.get("n_params", nothing), numbers.get("n_params_active", nothing)
    tokens, given = numbers.get("n_tokens", nothing), numbers.get("compute_flop", nothing)
    text = mapping.derived.get("compute_flop", "6*N*D")
    by_size = "".join(text.split()) in ("6*N*D", "6N*D")
    made = 6 * size * tokens if by_size else derive(text, "compute_flop", numbers, n_rows)
    by_active = 6 * active * tokens
    use_active = np.isfinite(by_active) & by_size
    ends = []
    for name, choose in (("compute_low", np.fmin), ("compute_high", np.fmax)):
        end = numbers.get(name, nothing)
        ends.append(np.where(use_active & np.isnan(given) & np.isnan(end), choose(by_active, made), end))
    flop = np.where(np.isfinite(given), given, np.where(use_active, by_active, made))
    rules: list[str | None] = [
        None if np.isnan(c) else GIVEN if np.isfinite(g) else BY_ACTIVE if a else BY_SIZE if by_size else text
        for c, g, a in zip(flop, given, use_active, strict=True)
    ]
    return Computes(flop, ends[0], ends[1], rules)
