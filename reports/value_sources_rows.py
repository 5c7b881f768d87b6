"""Values of sources, and weights of sources, as rows: exact ones for programs, and a text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reports.rows import Rows
from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)


def sources_row(found: Any) -> dict[str, Any]:
    """Return values of sources as one row object.

    Parameters
    ----------
    found : db.value_sources.SourcesAnswer
        The values, and the fit they rest on.

    Returns
    -------
    dict
        Keys as docs/value_sources.md lists them.
    """
    return {
        "fit": found.saved.name,
        "fit_id": found.saved.fit_id,
        "n_params": found.price.n_params,
        **found.values.to_dict(),
        "price": found.price.to_dict(),
        "kept": dict(found.kept),
        "notes": list(found.notes),
        "command": found.command,
    }


def sources_text(found: Any) -> str:
    """Return values of sources as a text: the whole, each source by each method, and prices."""
    from reports.terminal import render
    from scaling.valuation.sources.valued import TITLES

    values, level = found.values, format_percent(found.values.level, 3)
    size = "" if found.price.n_params is None else f" at {format_count(found.price.n_params)} parameters"
    lines = [
        f"all {format_plural(len(values.names), 'source')} together lower the {_output(found.saved)}{size} by "
        f"{_with_ends(values.total, *values.total_interval)}",
    ]
    for method in values.values:
        lines += [f"{TITLES[method]}:", render(values_shown(values, method), "table").rstrip("\n")]
    lines += [values.words]
    lines += ["", f"the next token of each where all of them are, {_place(found)}:"]
    lines += [render(price_shown(found.price), "table").rstrip("\n")]
    if len(found.price.names) > 1:
        lines.append(_best(found.price))
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"kept as the valuation {name}" for name in found.kept.values()]
    lines.append(f"intervals of {level}: {values.method}")
    lines.append(f"law: {values.law}; verdict: {values.verdict}")
    return "\n".join(lines)


def values_shown(values: Any, method: str) -> Rows:
    """Return the values of one method as people read them."""
    level = format_percent(values.level, 3)
    rows = []
    for row in values.rows():
        if row["method"] != method:
            continue
        sampled = {"sampled within": format_number(row["sampling_error"], 2)} if values.sampling_errors else {}
        rows.append(
            {
                "source": row["source"],
                "tokens": format_count(row["n_tokens"]),
                "lowers the loss by": format_number(row["value"]),
                f"{level} interval": _ends(row["value_low"], row["value_high"]),
                "share": format_percent(row["share"], 3),
                **sampled,
            }
        )
    return rows


def price_shown(price: Any) -> Rows:
    """Return what the next tokens buy as people read it."""
    level = format_percent(price.level, 3)
    unit = price.currency or "unit of money"
    return [
        {
            "source": row["source"],
            "a billion lowers the loss by": format_number(1e9 * row["price"]),
            f"{level} interval": _ends(1e9 * row["price_low"], 1e9 * row["price_high"]),
            **(
                {}
                if "per_money" not in row
                else {
                    f"a {unit} lowers it by": format_number(row["per_money"]),
                    f"{level} of it": _ends(row["per_money_low"], row["per_money_high"]),
                }
            ),
            "buys the most in": format_percent(row["best_share"], 3),
        }
        for row in price.rows()
    ]


def quality_row(found: Any, level: float) -> dict[str, Any]:
    """Return weights of sources as one row object.

    Parameters
    ----------
    found : db.source_quality.SavedWeights
        The weights, and the fit they are saved as.
    level : float
        Nominal coverage.

    Returns
    -------
    dict
        Keys as docs/value_sources.md lists them.
    """
    from reports.rows import fit_row

    said = found.weights.to_dict(level)
    return {
        "name": found.saved.name,
        "fit_id": found.saved.fit_id,
        **said,
        "parameters": fit_row(found.saved.fit, level)["parameters"],
        "excluded": dict(found.excluded),
        "seed": found.saved.fit.seed,
        "command": found.saved.command,
    }


def quality_text(row: Mapping[str, Any]) -> str:
    """Return weights of sources as a text."""
    from reports.terminal import render

    runs = format_plural(row["n_obs"], "run")
    lines = [
        f"what a token is worth, in tokens of {row['reference']} ({runs})",
        render(quality_shown(row), "table").rstrip("\n"),
        *row["reasons"],
        *(f"left out: {count} x {reason}" for reason, count in row["excluded"].items()),
        f"intervals: {row['interval_method']}",
        f"saved as {row['name']}; verdict: {row['verdict']}",
    ]
    return "\n".join(lines)


def quality_shown(row: Mapping[str, Any]) -> Rows:
    """Return weights of sources as people read them."""
    return [
        {
            "source": one["source"],
            "weight": format_number(one["weight"], 3),
            f"{format_percent(row['level'], 3)} interval": "the unit"
            if one["source"] == row["reference"]
            else _ends(_number(one["weight_low"]), _number(one["weight_high"])),
        }
        for one in row["sources"]
    ]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _ends(low: float, high: float) -> str:
    return UNKNOWN if np.isnan([low, high]).any() else format_interval(low, high)


def _with_ends(value: float, low: float, high: float) -> str:
    return format_number(value) + ("" if np.isnan([low, high]).any() else f" ({format_interval(low, high)})")


def _output(saved: Any) -> str:
    return "loss" if saved.fit.law.output == "y" else str(saved.fit.law.output)


def _place(found: Any) -> str:
    from scaling.valuation.equivalence.token_curve import SOURCES

    record = found.saved.fit.settings.get(SOURCES)
    of = "" if record is None else f" of {record['reference']}"
    return f"worth {format_count(found.price.n_tokens)} tokens{of}"


def _best(price: Any) -> str:
    most = "the most for its cost" if price.cost is not None else "the most"
    if np.allclose(price.best_share, np.round(price.best_share)) and price.best_share.max() < 1:
        return f"{price.best} buys {most}"
    share = float(price.best_share[price.names.index(price.best)])
    return f"{price.best} buys {most}, in {format_percent(share, 3)} of the replicates"
