"""One law under several objectives, side by side: rows, and how far the objectives move each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.rows import Rows, saved_fit_row
from scaling.formatting import format_number, format_percent


def objective_rows(saved: Sequence[Any], level: float) -> Rows:
    """Return the fits as rows, each with the spread of its parameters over all of them.

    Parameters
    ----------
    saved : sequence of db.saved.SavedFit
        One an objective.
    level : float
        Nominal coverage of the intervals of the parameters.

    Returns
    -------
    list of dict
        Those of `saved_fit_row`, and ``spread``: for each parameter ``low``, ``high`` and ``relative``, their distance
        over their mean.
    """
    spread = {name: _spread([one.fit.estimates[name] for one in saved]) for name in saved[0].fit.estimates}
    return [saved_fit_row(one, level) | {"spread": spread} for one in saved]


def objective_shown(saved: Sequence[Any], level: float) -> Rows:
    """Return the same as people read it; the last row says how far apart the objectives are."""
    rows = []
    for one in saved:
        estimates = {name: format_number(value) for name, value in one.fit.estimates.items()}
        value = format_number(one.fit.objective_value)
        rows.append({"objective": str(one.fit.objective)} | estimates | {
            "value": value, "rows": str(one.fit.n_obs), "verdict": one.fit.verdict, "fit": one.name,
        })  # fmt: skip
    spread = objective_rows(saved, level)[0]["spread"]
    apart = {name: format_percent(s["relative"]) for name, s in spread.items()}
    last = {"value": "", "rows": "", "verdict": "", "fit": ""}
    return [*rows, {"objective": "spread, of the mean"} | apart | last]


def _spread(values: Sequence[float]) -> dict[str, Any]:
    low, high, mean = min(values), max(values), float(np.mean(values))
    return {"low": low, "high": high, "relative": (high - low) / abs(mean) if mean else float("nan")}
