"""Published laws held against laws of one's own at a run: what the surfaces of the cells say the difference costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scaling.hyperparameters.laws import TunedLaws
    from scaling.hyperparameters.published import PublishedRule

_MOST = 1.0  # share of the loss; a second order that says more is far outside what it was fitted to


def given_up_by(laws: TunedLaws, rule: PublishedRule, n_params: float, n_tokens: float) -> float | None:
    """Work out what a published law gives up at a run, if the laws of the sweep are right.

    Parameters
    ----------
    laws : TunedLaws
        Whose learning rate and batch count as the best.
    rule : PublishedRule
        What it says of this run.
    n_params, n_tokens : float
        The run.

    Returns
    -------
    float or None
        Share of the loss, by the second order around the best; where the law says only one of the two, the other one
        is the best for it. None for critical batches, which are no best ones, for laws that say nothing, and where the
        second order says more than the loss itself.
    """
    from scaling.hyperparameters.published import BEST

    if not rule.known or rule.kind != BEST:
        return None
    h = laws.curvature.at(n_params, n_tokens)
    lr, batch = laws.points_at(n_params, n_tokens)
    if rule.lr is not None and rule.batch is not None:
        away = np.array([math.log(rule.lr / lr), math.log(rule.batch / batch)])
        lost = float(away @ h @ away) / 2
    elif rule.lr is not None:
        lost = (h[0, 0] - h[0, 1] ** 2 / h[1, 1]) * math.log(rule.lr / lr) ** 2 / 2
    else:
        assert rule.batch is not None
        lost = (h[1, 1] - h[0, 1] ** 2 / h[0, 0]) * math.log(rule.batch / batch) ** 2 / 2
    share = math.expm1(min(float(lost), 2.0))
    return share if share < _MOST else None
