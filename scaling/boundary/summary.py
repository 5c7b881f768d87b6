"""A boundary as a report in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaling.formatting import format_interval, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from scaling.boundary.result import Boundary


def summarise(boundary: Boundary, level: float) -> str:
    """Write the boundary at whole decades of compute, how many models lie above, and the verdict.

    Parameters
    ----------
    boundary : Boundary
        With or without bootstrap replicates.
    level : float
        Nominal coverage of the bands.

    Returns
    -------
    str
    """
    low, high = boundary.support
    z = np.unique(np.concatenate([[low, high], np.arange(np.ceil(low), np.floor(high) + 1)]))
    mean = boundary.predict(z)
    bands = [""] * len(z)
    if boundary.bootstrap:
        band = boundary.predict(z, level=level)
        bands = [format_interval(a, b) for a, b in zip(band.low, band.high, strict=True)]
    expected = boundary.n_obs * (1 - boundary.tau)
    lines = [
        f"Boundary of the score that compute buys: {100 * boundary.tau:.8g} % of the models below it",
        f"score = {boundary.fit.law.formula}",
        f"{boundary.objective}: {format_number(boundary.objective_value)} over {format_plural(boundary.n_obs, 'model')}"
        + (f" in {format_plural(len(set(map(str, boundary.scores.groups))), 'group')}"
           if boundary.scores.groups is not None else ""),
        f"above it: {boundary.n_above} of {boundary.n_obs} models, of {format_number(expected, 2)} expected; "
        f"exact pinball loss {format_number(boundary.pinball)}",
        *boundary.scores.notes,
        "",
        f"{'compute (FLOP)':>14}  {'score':>7}" + (f"  {format_percent(level)} band" if boundary.bootstrap else ""),
        *(
            f"{format_number(10.0**at):>14}  {format_number(value):>7}  {band}".rstrip()
            for at, value, band in zip(z, mean, bands, strict=True)
        ),
        "",
        f"bands: {boundary.fit.interval_method}, pointwise" if boundary.bootstrap else "bands: none, no bootstrap",
        f"verdict: {boundary.verdict}",
        *(f"  - {reason}" for reason in boundary.reasons),
    ]  # fmt: skip
    return "\n".join(lines)
