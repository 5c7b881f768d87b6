"""The published test of a shift, as a result of the same kind as ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.shift.checks import days, iso
from scaling.boundary.shift.contaminated import ContaminationShift, CutoffShift
from scaling.boundary.shift.logit_shift import EPSILON, logit_shift
from scaling.errors import UsageError
from scaling.fitting.intervals import t_quantile

Array = NDArray[np.float64]


def published_shift(
    base: ContaminationShift, columns: dict[str, Array], cutoffs: Sequence[str] | str | None, common_support: bool
) -> ContaminationShift:
    """Test every cutoff by itself, the published way.

    Parameters
    ----------
    base : ContaminationShift
        Settings, to be filled in.
    columns : dict of str to ndarray
        ``score_a``, ``score_b`` and ``date`` in days since 1970.
    cutoffs : str or sequence of str
        First days of the later side.
    common_support : bool
        Whether to keep only models whose A lies where both sides have some.

    Returns
    -------
    ContaminationShift

    Raises
    ------
    UsageError
        Where no cutoff is given.
    """
    if cutoffs is None:
        raise UsageError("the preset 'zhang2026' needs a cutoff", hint="Such as 2025-02-06.")
    given = days([cutoffs] if isinstance(cutoffs, str) else list(cutoffs), "cutoffs")
    rows, published, nan = [], {}, float("nan")
    for day in np.unique(given[~np.isnat(given)].astype(float)):
        found = logit_shift(
            columns["score_a"],
            columns["score_b"],
            columns["date"] >= day,
            permutations=base.permutations,
            seed=base.seed,
            common_support=common_support,
        )
        n = found.n_before + found.n_after
        half = t_quantile(base.level, n - 3) * found.gamma_error
        row = CutoffShift(
            cutoff=iso(day),
            n_before=found.n_before,
            n_after=found.n_after,
            n_groups=n,
            gamma=found.gamma,
            gamma_low=found.gamma - half,
            gamma_high=found.gamma + half,
            points=nan,
            points_low=nan,
            points_high=nan,
            statistic=found.gamma / found.gamma_error if found.gamma_error > 0 else nan,
            p=found.p,
            p_corrected=found.p,
            dispersion=nan,
        )
        rows.append(row)
        published[iso(day)] = dict(found.__dict__)
    if not rows:
        raise UsageError("no cutoff was given")
    method = f"least squares of logits clipped at {EPSILON:g} (arXiv:2602.15327), models taken as independent"
    return replace(base, cutoffs=tuple(rows), published=published, method=method)
