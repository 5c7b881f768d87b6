"""The back-test of a dated boundary as rows: a row a step and model, so that undated boundaries stand beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from reports.boundary_backtest_rows import MEAN, NUMBERS, cells
from reports.rows import Rows
from scaling.formatting import format_number, format_plural

if TYPE_CHECKING:
    from scaling.boundary.drift import InTimeBacktest

_HEAD = ("train", "test", "last_date", "n_train", "n_last", "n_test", "n_scored", "tau", "rate")


def is_dated(found: Any) -> bool:
    """Whether a back-test is one of a dated boundary."""
    from scaling.boundary.drift import InTimeBacktest

    return isinstance(found, InTimeBacktest)


def dated_backtest_rows(task: str, found: InTimeBacktest) -> Rows:
    """Return the back-test as rows.

    Parameters
    ----------
    task : str
        Of the scores.
    found : InTimeBacktest
        The back-test.

    Returns
    -------
    list of dict
        One a step and model (``held``, ``followed``, ``undated``, ``last_period``, ``constant``); then one a model for
        the mean over the steps that count, whose ``task`` is ``mean`` and whose ``train`` is missing.
    """
    rows: Rows = [{"task": task, **{name: row[name] for name in (*_HEAD, "model", *NUMBERS)}} for row in found.rows()]
    empty = dict.fromkeys(rows[0]) | {"task": MEAN, "tau": found[0].tau}
    empty |= {"n_scored": sum(step.n_scored for step in found.counted)}
    for model, means in found.means.items():
        errors = dict.fromkeys(("pinball_se", "coverage_se"))  # of a mean over steps that share models: not known
        rows.append(empty | {"model": model} | {name: means[name] for name in NUMBERS} | errors)
    return rows


def dated_backtest_text(found: InTimeBacktest) -> str:
    """Return the back-test as people read it: the steps with their rates, each model in each, then the means."""
    from reports.terminal import render
    from scaling.boundary.drift.backtest_result import NAMES

    steps = [
        {
            "fitted up to": step.train,
            "held against": step.test,
            "models": f"{step.n_train} > {step.n_scored} of {step.n_test}",
            "orders a year": format_number(step.rate, 2),
            **{model.replace("_", " "): format_number(one.pinball, 3) for model, one in step.out.items()},
        }
        for step in found
    ]
    means = [
        {f"mean of {format_plural(len(found.counted), 'step')}": NAMES[model]} | cells(SimpleNamespace(**values))
        for model, values in found.means.items()
    ]
    reasons = [f"up to {step.train}: {reason}" for step in found for reason in step.reasons]
    return "\n".join(
        [
            f"Dated boundaries that {100 * found[0].tau:.8g} % of the models stay below, fitted to all models up to a "
            f"period and held against the next: {format_plural(len(found), 'step')}",
            *dict.fromkeys([*found.notes, *reasons]),
            "",
            "Pinball loss of each step:",
            render(steps, "table").rstrip("\n"),
            "",
            render(means, "table").rstrip("\n"),
            "",
            "Lower pinball is better; skill is against the constant quantile. Where the trend followed does worse than "
            "the last date held, forecast with the last date.",
        ]
    )
