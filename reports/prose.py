"""The sentences of the page: its headline, what its interval holds, and how everything was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from reports.answers import Answers, Forecast
from reports.backtest import axis_name
from reports.translation_rows import translation_words
from reports.width import NAMES
from reports.words import (
    ASSUMED,
    INSIDE,
    LOSS_FACTOR,
    a_value_of,
    cited,
    describe,
    factor_words,
    is_map,
    level_text,
    listed,
    mean_text,
    rounded,
    rows_of,
    sentence,
    shortest,
    trim_words,
    unit_of,
    with_unit,
)
from scaling.fitting.backtest import Backtest
from scaling.fitting.objective import Objective
from scaling.formatting import format_factor, format_interval, format_plural
from scaling.results import Fit


@dataclass(frozen=True)
class Headline:
    """The answer, in words.

    Parameters
    ----------
    sentence : Markup
        One sentence that can be acted on.
    title : str
        The same in a few words, for the window and the list of bookmarks.
    choice : str
        How the target was chosen, where nobody asked for one.
    backtest : str
        What the back-test says about forecasts as far out as this one; empty without a forecast.
    """

    sentence: Markup
    title: str
    choice: str
    backtest: str = ""


def headline(answers: Answers) -> Headline:
    """Say what the page has to say.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    Headline
        A refusal where the law is not identified.
    """
    data, fit = answers.data, answers.data.fit
    if not answers.forecasts:
        return Headline(
            Markup("No forecast: {} not determine the law.").format(
                f"the {format_plural(fit.n_obs, 'row')} {'does' if fit.n_obs == 1 else 'do'}"
            ),
            f"{data.name}: not identified",
            "",
        )
    first = answers.forecasts[0]
    run = first.run
    mean, interval = mean_text(run.mean, run.low, run.high), format_interval(run.low, run.high)
    answer = Markup("{} {} <strong>{}</strong> ({} interval {}), <strong>{}</strong>.").format(
        _subject(first, fit),
        a_value_of(fit.law.output),
        with_unit(fit.law, mean),
        level_text(data.level),
        interval,
        _far(run.extrapolation_factor, fit),
    )
    choice = f"No target was given, so this page takes {answers.choice}." if answers.choice else ""
    if is_map(fit):
        choice += (
            f" {_measured_on(fit)}How far its run lies beyond the pairs in budgets, a loss does not tell: "
            f"scaling transfer forecast {data.name} --run RUN."
        )
    return Headline(answer, f"{data.name}: {fit.law.output} {mean} ({interval})", choice.strip(), run.backtest)


def _subject(forecast: Forecast, fit: Fit) -> str:
    inputs = describe(fit.law, forecast.target.inputs)
    named = "" if forecast.target.label == inputs else f" ({forecast.target.label})"
    if set(fit.law.inputs) == {"N", "D"}:
        return f"A run of {inputs}{named} is forecast to end at"
    return f"At {inputs}{named} the {'map' if is_map(fit) else 'law'} forecasts"


def _measured_on(fit: Fit) -> str:
    """Say what the losses of a map were measured on, where its units tell."""
    x, y = (unit.removesuffix(ASSUMED).partition(", ")[2] for unit in (*fit.law.inputs.values(), fit.law.unit))
    return f"Here x is the {x}, and y the {y}. " if x and y else ""


def _far(factor: float, fit: Fit) -> str:
    """Say how far a target lies from the data; of a map, that this is a ratio of losses."""
    if is_map(fit) and INSIDE <= factor < np.inf:
        return f"extrapolating {format_factor(factor)} in the loss x"
    return factor_words(factor)


def methods(answers: Answers) -> list[tuple[str, Markup]]:
    """Describe how everything was made, with sources.

    Parameters
    ----------
    answers : Answers
        The numbers of the page.

    Returns
    -------
    list of (str, Markup)
        A heading and a paragraph each.
    """
    fit = answers.data.fit
    law = fit.law
    form = f"{law.title}" + (f" ({law.source})" if law.source else "") + f". {law.note}".rstrip(" .") + "."
    out = [
        ("Law", cited(form)),
        ("Objective", cited(_objective(fit.objective))),
    ]
    if "translated" in fit.settings:
        out += [(term, cited(words)) for term, words in translation_words(fit)]
    else:
        out.append(("Optimiser", Markup("{}, inside the bounds.").format(_optimiser(fit))))
        out.append(("Intervals", cited(_intervals(fit))))
    if answers.forecasts:
        out.append(
            (
                "Forecasts",
                Markup(
                    "The forecast is the law at its estimates. The interval of a new run adds in quadrature, on the "
                    "scale of the residuals: {}. The extrapolation factor is the largest ratio by which an input{} "
                    "exceeds its range in the data.{}"
                ).format(
                    listed([NAMES[name] for name in answers.forecasts[0].run.parts]),
                    ", or the compute 6ND," if answers.of_n_and_d else "",
                    LOSS_FACTOR if is_map(fit) else "",
                ),
            )
        )
    if fit.backtest is not None and len(fit.backtest):
        out.append(("Back-test", cited(_backtest(fit.backtest))))
    if answers.allocation is not None:
        out.append(
            (
                "Allocation",
                cited(
                    f"The loss is minimised numerically at fixed compute C = {answers.allocation.cost} (Kaplan et al. "
                    "2020, arXiv:2001.08361), as in approach 3 of Hoffmann et al. 2022, arXiv:2203.15556. Intervals: "
                    f"{answers.allocation.method}. The scatter of single runs is not in them."
                ),
            )
        )
    out += [
        (
            "Verdict",
            cited(
                "'ok' means that no check failed; 'weak' that the fit is usable inside the data; 'not identified' that "
                "the data do not determine the parameters. The checks and their limits are listed above."
            ),
        ),
        (
            "Rounding",
            cited(
                "Estimates and intervals are cut by the rule of the Particle Data Group (Phys. Rev. D 98, 030001, "
                "section 5.3); other numbers have four significant digits, counts and factors fewer. "
                "The JSON in this file has all digits."
            ),
        ),
    ]
    return out


def _backtest(found: Backtest) -> str:
    errors = "ln(forecast) − ln(observed), written as percent" if found.log else "forecast − observed"
    return (
        f"For each cut-off the law is fitted from the start to the runs up to it, by {axis_name(found)}, with nothing "
        f"known of the others: bounds and starting values come from those runs too. Errors are {errors}."
    )


def _objective(objective: Objective) -> str:
    what = (
        f"the logarithms of observed and predicted values{', each less the floor' if objective.floor else ''}"
        if objective.residual == "log"
        else "observed and predicted values"
    )
    rho = {
        "squared": "r², which is most efficient where errors are close to normal, and most easily misled by a bad run",
        "huber": f"the Huber loss, r²/2 up to {shortest(objective.delta or 0)} and linear beyond, which bad runs "
        "hardly move (as in Hoffmann et al. 2022, arXiv:2203.15556)",
        "lad": "|r|, a median fit, which bad runs hardly move",
        "pinball": f"the pinball loss of the quantile {shortest(objective.tau or 0)}, below which that share of the "
        "runs lies",
        "asymmetric": f"the Huber loss with delta {shortest(objective.delta or 0)}, counted "
        f"{shortest(objective.over or 0)} times where the law lies above the run",
    }[objective.name]
    name = rounded(str(objective))
    return sentence(f"{name}: the sum over rows of {rho}. The residual r is the difference of {what}.")


def _intervals(fit: Fit) -> str:
    method = sentence(fit.interval_method)
    if not len(fit.replicates):
        return (
            f"{method}. The covariance is that of an M-estimate, from the derivatives at the optimum; "
            "where the law is strongly curved, such intervals are too symmetric."
        )
    grouped = fit.diagnostics.groups > 0
    kind = str(fit.settings.get("resample", "cluster" if grouped else "iid"))
    unit = "cluster" if grouped else "row"
    how = {
        "iid": "Rows were drawn one by one, with replacement",
        "cluster": "Clusters of rows were drawn whole",
        "dirichlet": f"Every {unit} got a random positive weight (Rubin 1981)",
        "wild": f"The residuals of every {unit} kept their places and changed their signs at random "
        "(Cameron, Gelbach and Miller 2008)",
        "residual": "The residuals were put back in random places",
        "parametric": "Outcomes were drawn from the fitted curve and its scatter, and cut off where the rows were",
    }[kind]
    source = ", as in Besiroglu et al. 2024, arXiv:2404.10102" if kind == "iid" else ""
    corrected = " BCa intervals correct the percentiles for bias and skewness." if fit.interval_kind == "bca" else ""
    return f"{method}. {how}, and the law was fitted anew to each draw{source}.{corrected}"


def _optimiser(fit: Fit) -> str:
    polish = "damped Newton steps with exact derivatives"
    if fit.settings.get("start") is not None:
        given = format_plural(fit.diagnostics.starts, "starting value")
        return f"{polish[0].upper()}{polish[1:]} from the {given} that the user gave"
    return (
        "Starts spread over the usual range of the parameters, those in which the law is linear being solved for; "
        f"then {polish} from the best {fit.diagnostics.starts}"
    )


def rows_used(answers: Answers) -> str:
    """Say how many rows were used, and how many were not."""
    data = answers.data
    left = sum(data.excluded_counts.values())
    refused = len(data.refused)
    if is_map(data.fit):  # runs in no pair are left out, and listed one by one among what was refused
        refused -= sum(row.file.startswith("run ") for row in data.refused)
    use = "went into the fit" if "translated" not in data.fit.settings else "are held against the translated law"
    runs = len({run for row in data.run_ids for run in row.split("+")}) if is_map(data.fit) else len(set(data.run_ids))
    parts = [f"{rows_of(data.fit)} of {format_plural(runs, 'run')} {use}"]
    if left:
        parts.append(f"{left} {'was' if left == 1 else 'were'} left out by the selection")
    if trim := trim_words(data):
        parts.append(f"the fit was {trim}")
    if refused:
        parts.append(f"{refused} {'was' if refused == 1 else 'were'} refused")
    if not left and not refused and not trim:
        parts.append("none was left out")
    law = data.fit.law
    output = law.output if len(law.output) == 1 else f"the {law.output}"
    assumed = f" The logs do not state the unit of {output}; {unit_of(law)} is assumed."
    return listed(parts) + "." + (assumed if law.unit.endswith(ASSUMED) else "")


def cost_words(answers: Answers) -> str:
    """Say what a budget pays for in the table of compute-optimal models; empty without one."""
    best = answers.allocation
    if best is None:
        return ""
    counted = f"{best.counts} (N)" if not best.counts.startswith("as ") else f"parameters (N) {best.counts}"
    below, covered = "", ", not the scatter of single runs"
    if best.untied is not None and len(answers.data.fit.replicates):
        covered = (
            f" and reaches to that by {best.untied.law}, which estimates the exponents that this law fixes; the "
            "scatter of single runs is not in it"
        )
    if "below" in best.beyond:
        below = " Budgets below the data are extrapolated downward: there are no runs that small."
    return (
        f"The model that the law holds to be best for each budget C = {best.cost} FLOP of training, counting "
        f"{counted}. The {level_text(best.level)} interval stands below its value and covers the law’s own optimum"
        f"{covered}.{below}"
    )
