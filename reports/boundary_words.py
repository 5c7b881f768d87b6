"""What the page of a boundary says in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup

from reports.boundary_answers import BoundaryAnswers
from reports.boundary_inputs import BoundaryPage
from reports.words import INSIDE, level_text, listed, mean_text, printable, sentence, shortest
from scaling.formatting import format_factor, format_interval, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from scaling.boundary.evaluation.result import BoundaryBacktest
    from scaling.boundary.inverse import Inverse

VERDICTS = {
    OK: "No check found a reason to distrust the boundary within the compute seen.",
    WEAK: "Read the reasons below before relying on the boundary.",
    NOT_IDENTIFIED: "These models do not determine the boundary. The tables and figures show what was fitted all the "
    "same, so that the reason can be seen; no number of them is to be relied on.",
}
_LONGEST = 60  # letters of a file's name
_AXIS = 40  # letters beside an axis
_FAR = 6.0  # decades outside the compute seen, from which on an end of an interval is no number any more


def shortened(text: str, most: int = _LONGEST) -> str:
    """Cut a long name in its middle, where names differ least."""
    text = printable(text)
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def model_name(name: str, most: int = 30) -> str:
    """Name a model without who made it, short enough for a figure."""
    return shortened(name.rsplit("/", 1)[-1], most)


def share_below(tau: float) -> str:
    """Write the quantile as a share of the models: ``98 %``."""
    return level_text(float(f"{tau:.10g}"))


def share_above(tau: float) -> str:
    """Write the rest: ``2 %``."""
    return level_text(float(f"{1 - tau:.10g}"))


def flop(log10_compute: float) -> str:
    """Write compute, given as a logarithm: ``3.2e24``."""
    if math.isinf(log10_compute):
        return "inf" if log10_compute > 0 else "0"
    return format_number(10.0**log10_compute, 3) if log10_compute < 300 else f"1e{log10_compute:.0f}"


def flop_interval(low: float, high: float, support: tuple[float, float] = (-math.inf, math.inf)) -> str:
    """Write an interval of compute, given as logarithms like those seen, each end rounded by itself."""
    if math.isnan(low) or math.isnan(high):
        return "unknown"
    ends = [
        "any" if end == -math.inf else "never" if end == math.inf else
        "far below" if end < support[0] - _FAR else "far above" if end > support[1] + _FAR else
        format_number(10.0**end, 2)
        for end in (low, high)
    ]  # fmt: skip
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def interval_words(page: BoundaryPage) -> str:
    """Say how bands were made."""
    return page.boundary.fit.interval_method if page.boundary.bootstrap else "none, no bootstrap was made"


def data_words(page: BoundaryPage) -> str:
    """Name what was fitted: how many models, of how many bases, of which files, under which condition."""
    groups = page.boundary.scores.groups
    of = "" if groups is None else f" of {format_plural(len(set(map(str, groups))), page.group_word)}"
    files = [shortened(source.file) for source in page.sources]
    shown = listed(files) if 0 < len(files) <= 3 else format_plural(len(files), "file")
    origin = f", from {shown}" if files else ""
    where = f" where {printable(page.where)}" if page.where else ""
    return f"{format_plural(page.boundary.n_obs, 'model')}{of}{origin}{where}"


def made_of(page: BoundaryPage, intervals: str | None = None) -> str:
    """Say what stands behind a figure or table: objective, intervals and data."""
    how = interval_words(page) if intervals is None else intervals
    return f"Objective: {page.boundary.objective}; intervals: {how}; data: {data_words(page)}."


def made_of_backtest(page: BoundaryPage, intervals: str) -> str:
    """Say the same of the back-test, which has models and settings of its own."""
    from scaling.boundary.settings import PRESETS, RIDGE_OF_ALL, SHARP

    found = page.backtest
    assert found is not None
    asked, rows = found.settings, found.rows
    preset = PRESETS.get(str(asked.get("preset")), {})
    kappa = asked.get("kappa") or preset.get("kappa", SHARP)
    ridge = asked.get("ridge") if asked.get("ridge") is not None else preset.get("ridge")
    pull = f"{RIDGE_OF_ALL:g}/n" if ridge is None else f"{ridge:.3g}"
    held = "largest" if found.mode == "largest" else "periods"
    n = rows[-1].n_train + rows[-1].n_test if held == "largest" else rows[0].n_train + sum(r.n_test for r in rows)
    files = f", from {listed([shortened(s.file) for s in page.sources[:3]])}" if page.sources else ""
    return (
        f"Objective: mean pinball({rows[0].tau:g}) with a corner rounded by kappa {kappa:g} + {pull} b^2; intervals: "
        f"{intervals}; data: {format_plural(n, 'model')}{files}."
    )


def score_axis(page: BoundaryPage) -> str:
    """Name the score, as on an axis."""
    metric = f" ({page.metric})" if page.metric and page.metric != page.task else ""
    room = _AXIS - len("score on ")
    if len(page.task) + len(metric) > room:
        metric = ""
    return f"score on {shortened(page.task, room)}{printable(metric)}"


def title(page: BoundaryPage) -> str:
    """Name the page."""
    metric = f", {page.metric}" if page.metric and page.metric != page.task else ""
    return f"{page.task}{metric}" + (f" ({page.harness})" if page.harness else "")


def headline(answers: BoundaryAnswers) -> Markup:
    """The answer in a sentence."""
    page, i = answers.page, answers.asked
    if page.boundary.verdict == NOT_IDENTIFIED:
        why = page.boundary.reasons[0] if page.boundary.reasons else ""
        return Markup("What compute buys on {} cannot be told from {}. {}").format(
            page.task, format_plural(page.boundary.n_obs, "model"), why
        )
    mean, low, high = (float(v[i]) for v in (answers.mean, answers.low, answers.high))
    value = mean_text(mean, low, high) if answers.banded else three(mean)
    band = f" ({level_text(page.level)} band {format_interval(low, high)})" if answers.banded else ""
    far = away_text(page, float(answers.z[i]))
    where = f", extrapolating {far} the compute seen" if far else ""
    return Markup("{} of the models trained with {} FLOP score at most <strong>{}</strong> on {}{}{}.").format(
        share_below(page.boundary.tau), flop(float(answers.z[i])), value, page.task, band, where
    )


def away_text(page: BoundaryPage, log10_compute: float) -> str:
    """Say how far compute lies outside that seen, and on which side: ``x3 below``; empty inside."""
    if not math.isfinite(log10_compute):
        return ""
    far = float(page.boundary.extrapolation_factor(log10_compute))
    side = "below" if log10_compute < page.boundary.support[0] else "beyond"
    return f"{format_factor(far)} {side}" if far >= INSIDE else ""


def under_headline(answers: BoundaryAnswers) -> str:
    """Say what models to come may score, and what the score asked for takes."""
    page, i = answers.page, answers.asked
    if page.boundary.verdict == NOT_IDENTIFIED:
        return ""
    margin = page.boundary.margin
    said = [
        f"Of models to come {share_below(page.boundary.tau)} are expected to score at most {coming_text(answers, i)}: "
        f"a margin of {format_number(margin.value, 2)} is added, {margin.method}, because the best of models not seen "
        "lie higher than the best of those fitted."
    ]
    if page.scores:
        said.append(f"{inverse_words(page, answers.inverses[0])}.")
    return " ".join(said)


def coming_text(answers: BoundaryAnswers, i: int) -> str:
    """Write what models to come attain at one compute, cut where the band is."""
    mean, low, high = (float(v[i]) for v in (answers.coming, answers.low, answers.high))
    return mean_text(mean, mean - (high - low) / 2, mean + (high - low) / 2) if answers.banded else three(mean)


def three(value: float) -> str:
    """Write a score: at most three digits."""
    return format_number(value, 3) if abs(value) >= 0.1 else format_number(value, 2)


def inverse_words(page: BoundaryPage, inverse: Inverse) -> str:
    """Say what a score takes."""
    aim = f"A score of {shortest(inverse.score)} is reached by {share_above(inverse.quantile)} of the models"
    if inverse.status == "unreachable":
        return f"A score of {shortest(inverse.score)} lies above the boundary at any compute"
    if inverse.status == "at any compute":
        return f"{aim} at any compute"
    said = f"{aim} at {flop(inverse.log10_compute)} FLOP"
    if not math.isnan(inverse.low):
        said += (
            f" ({level_text(page.level)} interval {flop_interval(inverse.low, inverse.high, page.boundary.support)})"
        )
    far = away_text(page, inverse.log10_compute)
    return f"{said}, extrapolating {far} the compute seen" if far else said


def choices(answers: BoundaryAnswers) -> str:
    """Say what the page chose by itself."""
    if answers.page.boundary.verdict == NOT_IDENTIFIED:
        return ""
    return " ".join(filter(None, (answers.compute_choice, answers.score_choice)))


def history_words(page: BoundaryPage) -> str:
    """Say how forecasts of the next period went, and against what."""
    from scaling.boundary.evaluation.result import FORECAST

    found = page.backtest
    if found is None:
        return (
            "How this boundary does on models of a later period is not known: none was held against it. A back-test by "
            "period needs dates. What follows is of the models that were fitted, where flexible curves always do well."
        )
    tau, means = found.rows[0].tau, found.means
    own = means[FORECAST]
    rivals = {name: m for name, m in means.items() if not name.startswith(FORECAST)}
    best = min(rivals, key=lambda name: rivals[name]["pinball"])
    won = own["pinball"] < rivals[best]["pinball"]
    over = f" over {format_plural(len(found), 'step')}" if len(found) > 1 else ""
    return (
        f"{sentence(tested_by(found))}{over}, the boundary with its margin has a pinball loss of "
        f"{format_number(own['pinball'], 3)}, {'less' if won else 'not less'} than the best of "
        f"{len(rivals)} baselines ({baseline_text(best)}, {format_number(rivals[best]['pinball'], 3)}); skill against "
        f"a constant {format_number(own['skill'], 2)}. {format_percent(own['coverage'], 3)} of the models held out lay "
        f"below it, of {share_below(tau)} nominal."
    )


def tested_by(backtest: BoundaryBacktest) -> str:
    """Say what a boundary was fitted to, and what it was held against."""
    return {
        "single": "fitted to one period and held against the next",
        "cumulative": "fitted to all periods so far and held against the next",
        "largest": "fitted to the models up to some compute and held against those of more",
    }.get(backtest.mode, f"fitted and held against others ({backtest.mode})")


def baseline_text(name: str) -> str:
    """Name a baseline as a reader knows it."""
    from scaling.boundary.evaluation.baselines import NAMES

    return NAMES.get(name, name)
