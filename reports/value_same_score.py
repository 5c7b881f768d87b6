"""Whether an appraisal is of the score that a selection has.

An appraisal keeps the names of the scores in its table and no options of them. What is kept is enough where the
selection is one of its subsets: its score is then there to compare. A name alone is taken to mean the options that the
objective has where nothing is said; it says nothing of a selection that was made with others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.words import printable
from scaling.formatting import format_number

_DIGITS = 1e-4  # of a score: tables are written with five digits or more


@dataclass(frozen=True)
class SameScore:
    """How a score of an appraisal is that of a selection.

    Parameters
    ----------
    column : str or None
        Of the appraisal; None where none is known to be the same.
    sure : bool
        Whether both have the same score of this selection; otherwise the name is all there is.
    words : str
        That, in words.
    """

    column: str | None
    sure: bool
    words: str


def same_score(
    appraisal: str, subsets: Any, name: str, objective: str, score: float | None, differing: Mapping[str, str]
) -> SameScore | None:
    """Find the score of an appraisal that is the score of a selection.

    Parameters
    ----------
    appraisal : str
        Its name.
    subsets : ScoredSubsets
        Of the appraisal: ``names``, and ``scores`` by name.
    name, objective : str
        Of the selection.
    score : float or None
        Of the selection.
    differing : mapping of str to str
        Options of its objective that are not the defaults.

    Returns
    -------
    SameScore or None
        None where the appraisal is of nothing of that name.
    """
    rows = [i for i, one in enumerate(subsets.names) if one == name]
    near = [column for column in subsets.scores if _named_after(column, objective)]
    near.sort(key=lambda column: column != objective)
    if rows and score is not None:
        for column in near:
            if any(math.isclose(float(subsets.scores[column][i]), score, rel_tol=_DIGITS) for i in rows):
                return SameScore(column, True, "the selection is one of its subsets, and has this score there")
        there = [float(subsets.scores[objective][i]) for i in rows] if objective in subsets.scores else []
        if any(np.isfinite(there)):
            return SameScore(None, False, (
                f"The appraisal {printable(appraisal)} has the selection among its subsets with a {objective} of "
                f"{format_number(next(one for one in there if math.isfinite(one)))}, which is another score than its "
                "own: other options, or other data. Nothing of it is applied here."
            ))  # fmt: skip
    if objective not in subsets.scores:
        return None
    if differing:
        return SameScore(None, False, (
            f"The appraisal {printable(appraisal)} is of a score by the name of {objective}. The selection was made "
            f"with {_listed(differing)}; appraisals keep no options, so whether that is the same score is not known, "
            "and nothing of it is applied here."
        ))  # fmt: skip
    return SameScore(objective, False, "by the name of the score: the usual options, and such data, are assumed")


def _named_after(column: str, objective: str) -> bool:
    """Tell a name such as ``vendi_inf``, or the bare one."""
    return column.startswith(objective) and not column[len(objective) : len(objective) + 1].isalpha()


def _listed(differing: Mapping[str, str]) -> str:
    shown: Sequence[str] = [f"{key} = {printable(str(value))}" for key, value in differing.items()]
    return " and ".join([*([", ".join(shown[:-1])] if len(shown) > 1 else []), shown[-1]])
