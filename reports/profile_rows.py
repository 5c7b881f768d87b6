"""Profile likelihoods as rows: the grid for programs, the interval and its ends for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.formatting import format_interval, format_number

if TYPE_CHECKING:
    from scaling.fitting.profile import Profile, ProfileRegion
    from scaling.results import Fit

Rows = list[dict[str, Any]]

_SHOWN = 11  # points of the grid that people are shown


def profile_rows(fit: Fit, profile: Profile) -> Rows:
    """Return the grid of a profile, one row a point, with all parameters there and what the interval is.

    Parameters
    ----------
    fit : Fit
        The fit.
    profile : Profile
        Of one of its parameters.

    Returns
    -------
    list of dict
        ``parameter value objective threshold inside``, the ``parameters`` by name, and the interval.
    """
    interval = {
        "low": profile.low, "high": profile.high, "closes_low": profile.closes_low,
        "closes_high": profile.closes_high, "level": profile.level, "fit_is_optimum": profile.fit_is_optimum,
        "better": profile.better,
    }  # fmt: skip
    return [
        {
            "parameter": profile.name,
            "value": float(value),
            "objective": float(objective),
            "threshold": profile.threshold,
            "inside": bool(objective <= profile.threshold),
            "parameters": dict(zip(fit.law.parameter_names, row.tolist(), strict=True)),
        }
        | interval
        for value, objective, row in zip(profile.grid, profile.objective, profile.parameters, strict=True)
    ]


def profile_text(profile: Profile) -> str:
    """Return a profile as people read it: the interval, whether it closes, and some points of the curve."""
    span = f"{100 * profile.level:g} %"
    lines = [f"{profile.name} = {format_number(profile.estimate)}, {span} interval {_ends(profile)}"]
    for closes, side, end in ((profile.closes_low, "below", profile.low), (profile.closes_high, "above", profile.high)):
        if not closes:
            where = (
                f"down to its bound {format_number(end)}"
                if side == "below"
                else f"up to its bound {format_number(end)}"
            )
            reach = where if np.isfinite(end) else "without limit"
            lines.append(f"The profile does not close {side}: values {reach} fit about as well.")
    lines += _not_optimum(profile)
    every = np.unique(np.linspace(0, len(profile.grid) - 1, min(_SHOWN, len(profile.grid))).round().astype(int))
    rows = [
        (
            format_number(profile.grid[i]),
            format_number(profile.objective[i], 6),
            "inside" if profile.objective[i] <= profile.threshold else "",
        )
        for i in every
    ]
    width, size = (max(len(row[k]) for row in [*rows, (profile.name, "objective", "")]) for k in (0, 1))
    lines += ["", f"{profile.name:>{width}}  {'objective':>{size}}"]
    lines += [f"{a:>{width}}  {b:>{size}}  {c}".rstrip() for a, b, c in rows]
    return "\n".join(lines)


def region_rows(region: ProfileRegion) -> Rows:
    """Return the grid of a joint region, one row a point."""
    first, second = region.names
    return [
        {
            first: float(a),
            second: float(b),
            "objective": float(region.objective[i, k]),
            "threshold": region.threshold,
            "inside": bool(region.objective[i, k] <= region.threshold),
            "level": region.level,
            "fit_is_optimum": region.fit_is_optimum,
            "better": region.better,
        }
        for i, a in enumerate(region.first)
        for k, b in enumerate(region.second)
    ]


def region_text(region: ProfileRegion) -> str:
    """Return a joint region as people read it: for some values of the first parameter the range of the second."""
    first, second = region.names
    inside = region.inside
    closed = "closes" if region.closes else "does not close: it reaches a bound, or the end of the grid"
    lines = [
        f"{first} = {format_number(region.estimate[0])}, {second} = {format_number(region.estimate[1])}; "
        f"the joint {100 * region.level:g} % region {closed}",
        *_not_optimum(region),
        "",
    ]
    used = np.flatnonzero(inside.any(axis=1))
    if not used.size:
        return "\n".join([*lines, "No point of the grid lies inside; ask for more points."])
    rows = []
    for i in used[np.unique(np.linspace(0, len(used) - 1, min(_SHOWN, len(used))).round().astype(int))]:
        held = region.second[inside[i]]
        rows.append((format_number(region.first[i]), format_interval(float(held.min()), float(held.max()))))
    width = max(len(row[0]) for row in [*rows, (first, "")])
    return "\n".join([*lines, f"{first:>{width}}  {second} inside", *(f"{a:>{width}}  {b}" for a, b in rows)])


def _not_optimum(found: Profile | ProfileRegion) -> list[str]:
    """Say that the fit is not the optimum, and where to start it again."""
    if found.fit_is_optimum:
        return []
    starts = " ".join(f"--start {name}={format_number(value, 6)}" for name, value in found.better.items())
    return [
        "The fit is not the optimum: other parameters fit these rows better, and what is found here lies around them, "
        f"not around the estimate. Fit again with {starts}"
    ]


def _ends(profile: Profile) -> str:
    if np.isfinite(profile.low) and np.isfinite(profile.high):
        return format_interval(profile.low, profile.high)
    return f"{format_number(profile.low)} to {format_number(profile.high)}"
