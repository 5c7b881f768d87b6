"""A law translated to another corpus, as rows: both laws side by side, and where each puts the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.rows import Rows, saved_fit_row, saved_fit_text, with_interval
from scaling.formatting import format_count, format_interval, format_number, format_percent

#: What a translated law answers, for programs and for people.
QUESTION = "x predicted"


def translation_row(saved: Any, source: Any, pair: Any, budgets: Sequence[float], level: float) -> dict[str, Any]:
    """Return a translated law as one row object.

    Parameters
    ----------
    saved : db.saved.SavedFit
        The translated law.
    source, pair : db.saved.SavedFit
        The law and the map that it was made of.
    budgets : sequence of float
        FLOP at which the compute-optimal models of both laws are compared; those of the fit where empty.
    level : float
        Nominal coverage of the intervals of parameters.

    Returns
    -------
    dict
        ``way`` (exact or pointwise), ``question``, ``source`` and ``map`` by name, ``parameters_side_by_side``,
        ``optimum`` (a row a budget), ``invariant`` and ``largest_relative_difference`` (None where a law has no
        optimum), and ``source_backtest`` and ``backtest`` by extrapolation factor; then that of
        `reports.rows.saved_fit_row`.
    """
    record, own = saved.fit.settings["translated"], saved_fit_row(saved, level)
    optimum = optimum_rows(saved, source, budgets)
    same = [row["same"] for row in optimum]
    head = {
        "name": saved.name,
        "fit_id": saved.fit_id,
        "way": record["way"],
        "question": QUESTION,
        "verdict": saved.fit.verdict,
        "reasons": own["reasons"],
        "source": {"name": source.name, "fit_id": source.fit_id, "law": source.fit.law.name, "metric": source.metric},
        "map": {"name": pair.name, "fit_id": pair.fit_id, "form": record["map"].get("form"), "metric": saved.metric},
        "estimates": dict(saved.fit.estimates),
        "parameters_side_by_side": parameter_rows(saved, source, level),
        "optimum": optimum,
        "invariant": None if not same or None in same else all(same),
        "largest_relative_difference": max((row["relative_difference"] for row in optimum), default=None)
        if None not in same
        else None,
        "replicates_outside": record["replicates_outside"],
        "source_backtest": _summary(source.fit),
        "backtest": _summary(saved.fit),
    }
    return head | {k: v for k, v in own.items() if k not in head}


def parameter_rows(saved: Any, source: Any, level: float) -> Rows:
    """Return one row a parameter: estimate and interval in the law before and after; None where it is not in one."""
    rows: Rows = []
    for name in dict.fromkeys((*source.fit.law.parameter_names, *saved.fit.law.parameter_names)):
        row: dict[str, Any] = {"parameter": name}
        for side, fit in (("source", source.fit), ("target", saved.fit)):
            known = name in fit.estimates
            low, high = fit.interval(name, level) if known else (None, None)
            row |= {side: fit.estimates.get(name), f"{side}_low": low, f"{side}_high": high}
        rows.append(row)
    return rows


def optimum_rows(saved: Any, source: Any, budgets: Sequence[float]) -> Rows:
    """Return one row a budget: N*(C) of both laws under C = 6 N D, and whether they are the same."""
    from scaling.loss_to_loss.translation.optimum import SAME, best_params

    asked = np.asarray(budgets or saved.fit.settings["translated"]["optimum"]["budgets"], float)
    if not len(asked):
        return []
    before, after = (best_params(one.fit.law, one.fit.estimates, asked) for one in (source, saved))
    rows: Rows = []
    for c, n, m in zip(asked.tolist(), before.tolist(), after.tolist(), strict=True):
        apart = abs(m / n - 1)
        known = bool(np.isfinite(apart))
        rows.append(
            {
                "compute_flop": c,
                "n_params_source": n if np.isfinite(n) else None,
                "n_params_target": m if np.isfinite(m) else None,
                "relative_difference": apart if known else None,
                "same": apart <= SAME if known else None,
            }
        )
    return rows


def translation_text(saved: Any, source: Any, pair: Any, budgets: Sequence[float], level: float) -> str:
    """Return a translated law as people read it; as of `translation_row`."""
    from reports.terminal import render

    record, span = saved.fit.settings["translated"], f"{100 * level:g} %"
    way = {
        "exact": "exactly: the law keeps its form",
        "pointwise": "by putting the formula of the law in the place of x in that of the map",
    }[record["way"]]
    question = (
        "It answers what a run gives whose loss on the old corpus is predicted by the law, and not measured. For a run "
        f"that is there: scaling transfer forecast {pair.name} --run RUN"
    )
    parameters = [
        {
            "parameter": row["parameter"],
            f"{source.name}": _estimate(row, "source"),
            f"{source.name}, {span}": _interval(row, "source"),
            f"{saved.name}": _estimate(row, "target"),
            f"{saved.name}, {span}": _interval(row, "target"),
        }
        for row in parameter_rows(saved, source, level)
    ]
    optimum = optimum_rows(saved, source, budgets)
    shown = [
        {
            "compute (FLOP)": format_number(row["compute_flop"]),
            f"optimal params, {source.name}": _count(row["n_params_source"]),
            f"optimal params, {saved.name}": _count(row["n_params_target"]),
            "apart by": "unknown" if row["relative_difference"] is None else format_percent(row["relative_difference"]),
        }
        for row in optimum
    ]
    parts = [
        f"{saved.name}: the law {source.name}, translated by the map {pair.name}, {way}.",
        question,
        render(parameters, "table").rstrip("\n"),
        *([render(shown, "table").rstrip("\n")] if shown else []),
        _said_of_optimum(optimum),
        _back_tests(saved, source),
        saved_fit_text(saved, level),
    ]
    return "\n\n".join(parts)


def translation_words(fit: Any) -> list[tuple[str, str]]:
    """Return how a translated law was made, for the methods of a page: a heading and a paragraph each.

    Parameters
    ----------
    fit : Fit
        With ``settings["translated"]``.
    """
    from scaling.formatting import format_plural

    record = fit.settings["translated"]
    law, pair = record["source"], record["map"]
    way = (
        "exactly, since a shifted power of that law from its own floor is the same law with other numbers"
        if record["way"] == "exact"
        else "by putting the formula of the law in the place of x in that of the map"
    )
    optimum = {
        True: " The compute-optimal size of a budget is that of the old corpus.",
        False: " The compute-optimal size of a budget is not that of the old corpus.",
        None: "",
    }[record["invariant"]]
    what = f"{pair['formula']}; {format_plural(pair['n_obs'], 'pair')}; {pair['objective']}"
    made = (
        f"Nothing was fitted to the rows of this page, whose residuals give the scatter of runs. The law {law['law']} "
        f"of the old corpus ({format_plural(law['n_obs'], 'row')}; {law['objective']}) was translated by a map of "
        f"losses ({what}), {way} (arXiv:2411.12925). The loss on the old corpus is predicted by the law, and not "
        f"measured: what the law misses is in every forecast.{optimum}"
    )
    if not len(fit.replicates):
        return [("Translation", made)]
    together = "as they were drawn" if record["paired"] else f"at random, seed {record['seed']}"
    said = f"Each replicate is one of the law with one of the map, brought together {together}. {fit.interval_method}."
    return [("Translation", made), ("Intervals", said)]


def _said_of_optimum(optimum: Rows) -> str:
    same = [row["same"] for row in optimum]
    if not same or None in same:
        return "Whether the compute-optimal size is the same is not known: one of the two laws has none."
    if all(same):
        return "The compute-optimal size of a budget is the same on both corpora."
    return (
        "The compute-optimal size of a budget is NOT the same on both corpora: the map does not rise everywhere there."
    )


def _back_tests(saved: Any, source: Any) -> str:
    """What the law missed by on its own corpus, and what the translation missed by on the new one."""
    parts = []
    for name, fit in ((source.name, source.fit), (saved.name, saved.fit)):
        parts.append(f"{name}: {'no back-test' if fit.backtest is None else repr(fit.backtest)}")
    return "\n\n".join(parts)


def _summary(fit: Any) -> list[dict[str, Any]]:
    return [] if fit.backtest is None else [entry.to_dict() for entry in fit.backtest.summary()]


def _estimate(row: dict[str, Any], side: str) -> str:
    value = row[side]
    return "-" if value is None else with_interval(value, row[f"{side}_low"], row[f"{side}_high"])


def _interval(row: dict[str, Any], side: str) -> str:
    return "-" if row[side] is None else format_interval(row[f"{side}_low"], row[f"{side}_high"])


def _count(value: float | None) -> str:
    return "unknown" if value is None else format_count(value)
