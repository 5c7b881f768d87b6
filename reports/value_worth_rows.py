"""What losses are worth as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.rows import Rows
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_count_interval,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)


def worth_row(found: Any) -> dict[str, Any]:
    """Return what losses are worth as one row object.

    Parameters
    ----------
    found : db.value_worth.WorthAnswer
        The answers.

    Returns
    -------
    dict
        Keys as docs/value_sources.md lists them.
    """
    return {
        "fit": found.saved.name,
        "fit_id": found.saved.fit_id,
        "worths": worth_rows(found),
        "trend": None if found.trend is None else found.trend.to_dict(),
        "no_trend": found.no_trend,
        "excluded": dict(found.excluded),
    }


def worth_rows(found: Any) -> Rows:
    """Return one row a loss."""
    return [{"run": run} | one.to_dict() for run, one in zip(found.runs, found.worths, strict=True)]


def worth_text(found: Any) -> str:
    """Return what losses are worth as a text: a sentence for one, a table for several, and the trend over sizes."""
    from reports.terminal import render

    first = found.worths[0]
    if len(found.worths) == 1:
        lines = [first.words]
        noise = f"standard error of the {first.output} {format_number(first.loss_se, 2)} ({first.loss_se_from})"
        share = _endless(first)
        lines.append(f"asymptote {format_number(first.asymptote)}; {noise}{share}")
    else:
        lines = [
            f"worth of {format_plural(len(found.worths), 'run')}, in {first.of}",
            render(worths_shown(found), "table").rstrip("\n"),
        ]
        endless = sum(bool(np.isinf(one.d_eq)) for one in found.worths)
        if endless:
            lines.append(f"{endless} of them: worth more than any amount of random data under this law")
    lines += [f"left out: {count} x {reason}" for reason, count in found.excluded.items()]
    if found.trend is not None:
        lines.append(found.trend.words)
    elif len(found.worths) > 1:
        lines.append(f"no trend over sizes: {found.no_trend}")
    lines += [f"interval: {method}" for method in dict.fromkeys(one.method for one in found.worths)]
    verdicts = "; ".join(dict.fromkeys(one.verdict for one in found.worths)) if len(found.worths) < 4 else _worst(found)
    lines.append(f"law: {first.law}; verdict: {verdicts}")
    return "\n".join(lines)


def worths_shown(found: Any) -> Rows:
    """Return what several losses are worth as people read it."""
    level = format_percent(found.worths[0].level, 3)
    named = any(run is not None for run in found.runs)
    return [
        {
            **({"run": run or "-"} if named else {}),
            "params": "-" if one.n_params is None else format_count(one.n_params),
            one.output: format_number(one.loss),
            "tokens": "-" if one.n_tokens is None else format_count(one.n_tokens),
            "worth": "any number" if np.isinf(one.d_eq) else format_count(one.d_eq),
            f"{level} interval": _counts(*one.interval),
            "ratio": "-" if one.n_tokens is None else format_number(one.ratio, 3),
            f"{level} of it": "-" if one.n_tokens is None else _ends(*one.ratio_interval),
            "beyond data": format_factor(one.extrapolation_factor) if np.isfinite(one.extrapolation_factor) else "inf",
        }
        for run, one in zip(found.runs, found.worths, strict=True)
    ]


def _endless(one: Any) -> str:
    if not one.endless_share > 0:
        return ""
    return f"; without end in {format_percent(one.endless_share)} of the replicates"


def _worst(found: Any) -> str:
    beyond = sum(one.verdict.startswith("extrapolating") for one in found.worths)
    said = found.saved.fit.verdict
    return f"{said}; {beyond} of {len(found.worths)} lie beyond the data of the law" if beyond else said


def _counts(low: float, high: float) -> str:
    return UNKNOWN if np.isnan([low, high]).any() else format_count_interval(low, high)


def _ends(low: float, high: float) -> str:
    return UNKNOWN if np.isnan([low, high]).any() else format_interval(low, high)
