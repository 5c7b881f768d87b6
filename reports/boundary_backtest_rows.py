"""Back-tests of boundaries as rows: a row a step and model, so that baselines stand beside the boundary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.rows import Rows
from scaling.formatting import format_number, format_percent, format_plural

#: Metrics of a model in a row.
NUMBERS = (
    "pinball", "pinball_se", "smoothed_pinball", "coverage", "coverage_se", "coverage_error", "signed_coverage_error",
    "skill",
)  # fmt: skip
MEAN = "mean"


def backtest_rows(found: Mapping[str, Any], whole: Any) -> Rows:
    """Return back-tests as rows.

    Parameters
    ----------
    found : mapping of str to BoundaryBacktest
        By task.
    whole : BoundaryBacktest
        All of them put together.

    Returns
    -------
    list of dict
        One a task, step and model (the boundary with its margin, which is the forecast; without; each baseline); then
        one a model for the mean over all tasks and steps, whose ``task`` is ``mean`` and whose ``train`` is missing.
    """
    rows: Rows = []
    for task, one in found.items():
        for step in one.rows:
            about = {
                "task": task,
                "train": step.train,
                "test": step.test,
                "n_train": step.n_train,
                "n_test": step.n_test,
                "n_scored": step.n_common,
                "tau": step.tau,
                "margin": step.margin,
            }
            rows += [
                about | {"model": model} | {name: getattr(metrics, name) for name in NUMBERS}
                for model, metrics in step.out.items()
            ]
    empty = dict.fromkeys(rows[0]) | {"task": MEAN, "tau": whole.rows[0].tau}
    count = {"n_scored": sum(step.n_common for step in whole.counted)}
    for model, means in whole.means.items():
        errors = dict.fromkeys(("pinball_se", "coverage_se"))  # of a mean over steps that share models: not known
        rows.append(empty | count | {"model": model} | {name: means[name] for name in NUMBERS} | errors)
    return rows


def backtest_text(found: Mapping[str, Any], whole: Any) -> str:
    """Return back-tests as people read them: the steps of the forecast, then the means beside all baselines."""
    from reports.terminal import render
    from scaling.boundary.evaluation.baselines import NAMES
    from scaling.boundary.evaluation.result import FORECAST, PLAIN

    words = NAMES | {FORECAST: "this boundary, with margin", PLAIN: "this boundary, without"}
    steps = [
        {
            **({"task": task} if len(found) > 1 else {}),
            "fitted to": step.train,
            "held against": step.test,
            "models": f"{step.n_train} > {step.n_common} of {step.n_test}",
            "margin": format_number(step.margin, 2),
            **cells(step.out[FORECAST]),
        }
        for task, one in found.items()
        for step in one.rows
    ]
    means = [
        {f"mean of {format_plural(len(whole.counted), 'step')}": words.get(model, model)} | cells(_Means(values))
        for model, values in whole.means.items()
    ]
    tau = whole.rows[0].tau
    return "\n".join(
        [
            _title(whole, tau),
            *dict.fromkeys(whole.notes),
            "",
            render(steps, "table").rstrip("\n"),
            "",
            render(means, "table").rstrip("\n"),
            "",
            "Lower pinball is better; skill is against the constant quantile. A coverage error alone says little: the "
            f"constant 1 has {format_number(1 - tau, 3)}.",
        ]
    )


class _Means:
    """Means of metrics, by the same names."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.__dict__.update(values)


def cells(metrics: Any) -> dict[str, str]:
    """Return what a table shows of the metrics of a model."""
    return {
        "pinball": format_number(metrics.pinball, 3),
        "skill": format_number(metrics.skill, 2),
        "below": format_percent(metrics.coverage, 3),
        "coverage error": format_number(metrics.coverage_error, 3),
        "signed": f"{metrics.signed_coverage_error:+.4f}",
    }


def _title(whole: Any, tau: float) -> str:
    how = {
        "single": "fitted to one period and held against the next",
        "cumulative": "fitted to all periods so far and held against the next",
        "largest": "fitted up to some compute and held against the models beyond",
    }[whole.mode]
    return f"Boundaries that {100 * tau:.8g} % of the models stay below, {how}: {format_plural(len(whole), 'step')}"
