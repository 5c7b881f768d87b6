"""Back-tests, selections and scored forecasts as rows for programs and texts for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling.formatting import (
    UNKNOWN,
    format_count,
    format_factor,
    format_interval,
    format_number,
    format_percent,
    format_plural,
)

if TYPE_CHECKING:
    from scaling.fitting.backtest import Backtest
    from scaling.prediction import Prediction
    from scaling.results import Fit
    from scaling.selection.selected import Selection

Rows = list[dict[str, Any]]
WORTH_NAMING = 0.01  # of the weight of a rival


def backtest_rows(found: Backtest) -> Rows:
    """Return the summaries of a back-test as rows, one a range of extrapolation factors."""
    head = {"law": found.law, "objective": found.objective, "trim": found.trim, "axis": found.axis}
    return [
        head
        | {
            "factor_from": entry.low,
            "factor_to": entry.high,
            "n": entry.n,
            "runs": entry.runs,
            "cuts": entry.cuts,
            "undefined": entry.undefined,
            "bias": entry.bias,
            "rms": entry.rms,
            "coverage": entry.coverage,
            "level": entry.level,
        }
        for entry in found.summary()
    ]


def backtest_shown(found: Backtest) -> Rows:
    """Return the summaries of a back-test as people read them."""
    return [
        {
            "extrapolating": entry.range,
            "forecasts": entry.n,
            "runs": entry.runs,
            "cut-offs": entry.cuts,
            "mean error": _signed(entry.bias, found.log),
            "rms error": _size(entry.rms, found.log),
            f"covered by {100 * entry.level:g} %": _share(entry.coverage),
        }
        for entry in found.summary()
    ]


def backtest_notes(found: Backtest) -> list[str]:
    """Return what to say beside the summaries: how it was done, and what could not be."""
    trim = "" if found.trim == "none" else f", trimmed: {found.trim}"
    notes = [
        f"{found.law}, {found.objective}{trim}. The largest runs by {found.axis} were held out; a positive error is a "
        "forecast that was too high."
    ]
    if count := int((~found.defined).sum()):
        what = f"{count} of the {format_plural(len(found), 'forecast')}"
        notes.append(
            f"{what} was not {found.no_number}. It has no error, and counts as not covered."
            if count == 1
            else f"{what} were not {found.no_number}. They have no error, and count as not covered."
        )
    if not len(found):
        notes.append(f"No back-test is possible: {found.reason}.")
    notes += [f"not tried at {format_number(cut)}: {reason}" for cut, reason in found.skipped if len(found)]
    return notes


def selection_rows(made: Selection) -> Rows:
    """Return the candidates of a selection as rows, ranked."""
    rows = [{"rank": i} | candidate.row() for i, candidate in enumerate(made.candidates, start=1)]
    return [row | {"log_ratio_se": row.pop("se")} for row in rows]


def selection_shown(made: Selection, most: int = 20) -> Rows:
    """Return the candidates as people read them: the best of them, and at least one of each law."""
    seen: set[str] = set()
    out = []
    for row in selection_rows(made):
        if row["rank"] > most and row["law"] in seen:
            continue
        seen.add(row["law"])
        out.append(
            {
                "rank": row["rank"],
                "law": row["law"],
                "objective": row["objective"].removesuffix(" on log residuals"),
                "trimmed": row["trim"],
                "params": row["n_params"],
                "rms error": _size(row["score"], True),
                "mean error": _signed(row["bias"], True),
                "against chosen": "" if math.isnan(row["ratio"]) else f"x{format_number(row['ratio'], 3)}",
                "weight": format_number(row["weight"], 2) if row["weight"] >= 5e-4 else "0",
                "verdict": row["verdict"] + (f": {row['reason']}" if row["reason"] else ""),
            }
        )
    return out


def landed_rows(landed: Sequence[Any]) -> Rows:
    """Return scored forecasts as rows."""
    return [
        {
            "fit": x.fit,
            "fit_id": x.fit_id,
            "inputs": dict(x.inputs),
            "run_id": x.run_id,
            "forecast": x.forecast,
            "low": x.low,
            "high": x.high,
            "level": x.level,
            "extrapolation_factor": x.factor,
            "observed": x.observed,
            "error": x.error,
            "inside": x.inside,
            "new": x.new,
        }
        for x in landed
    ]


def landed_shown(landed: Sequence[Any]) -> Rows:
    """Return scored forecasts as people read them."""
    words = {True: "yes", False: "no", None: UNKNOWN}
    return [
        {
            "fit": x.fit,
            "target": ", ".join(
                f"{k} = {format_count(v) if k in ('N', 'D') else format_number(v)}" for k, v in x.inputs.items()
            ),
            "run": x.run_id,
            "forecast": format_number(x.forecast),
            "interval": format_interval(x.low, x.high),
            "observed": format_number(x.observed),
            "error": _signed(x.error, x.forecast > 0 and x.observed > 0),
            "inside?": words[x.inside],
            "extrapolating": format_factor(x.factor),
        }
        for x in landed
    ]


def landed_text(summary: Mapping[str, float], waiting: int) -> str:
    """Say how well stored forecasts have done."""
    waits = f"{format_plural(waiting, 'forecast')} {'waits' if waiting == 1 else 'wait'} for a run."
    if not summary["n"]:
        return f"No forecast has been scored. {waits}"
    held = ""
    if summary["intervals"]:
        held = (
            f" {summary['inside']:.0f} of {summary['intervals']:.0f} intervals held the outcome "
            f"({_share(summary['coverage'])}; nominal {_share(summary['nominal'])})."
        )
    again = int(summary["saved"] - summary["n"])
    counted = f" ({again} saved again {'counts' if again == 1 else 'count'} no second time)" if again else ""
    runs = format_plural(int(summary["runs"]), "run")
    return (
        f"{format_plural(int(summary['n']), 'forecast')} of {runs} scored{counted}: mean error "
        f"{_signed(summary['bias'], True)}, root mean square {_size(summary['rms'], True)}.{held} {waits}"
    )


def forecast_notes(fit: Fit, targets: Sequence[Mapping[str, float]], predictions: Sequence[Prediction]) -> list[str]:
    """Say of each forecast what its width is made of, what its rivals say and what the back-test says that far out."""
    from reports.words import describe

    out = []
    for target, prediction in zip(targets, predictions, strict=True):
        about = "" if len(targets) == 1 else f"{describe(fit.law, target)}: "
        said = (parts_text(prediction), rivals_text(fit, target), prediction.backtest)
        out += [f"{about}{text}" for text in said if text]
    return list(dict.fromkeys(out))


def rivals_text(fit: Fit, target: Mapping[str, float]) -> str:
    """Name the rivals with a say, and what they forecast."""
    from reports.words import untested

    named = sorted((rival for rival in fit.rivals if rival.weight >= WORTH_NAMING), key=lambda rival: -rival.weight)
    if not named:
        return ""
    listed = ", ".join(
        f"{rival.law.name} {format_number(float(rival.evaluate(target)[0]))} (weight {format_number(rival.weight, 2)})"
        for rival in named
    )
    return f"Rival laws, {'which no back-test could weigh' if untested(fit) else 'by the back-test'}: {listed}."


def parts_text(prediction: Prediction) -> str:
    """Say what share of the squared half width each source of error has."""
    shares = [(name, value) for name, value in prediction.parts.items() if math.isfinite(value)]
    if not shares:
        return ""
    names = {"usual error": "usual error of other sweeps"}
    listed = ", ".join(
        f"{names.get(name, name)} {100 * value:.0f} %" for name, value in sorted(shares, key=lambda pair: -pair[1])
    )
    return f"Of the squared width: {listed}."


def _size(value: float, log: bool) -> str:
    if math.isnan(value):
        return UNKNOWN
    return format_percent(math.expm1(value)) if log else format_number(value, 2)


def _signed(value: float, log: bool) -> str:
    if math.isnan(value):
        return UNKNOWN
    text = _size(abs(value), log) if not log else format_percent(abs(math.expm1(value)))
    return text if value == 0 else f"{'+' if value > 0 else '-'}{text}"


def _share(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{100 * value:.0f} %"
