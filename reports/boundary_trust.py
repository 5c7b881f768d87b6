"""How far to trust a boundary: every check with its number, and its losses beside those of all baselines."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from reports.boundary_answers import BoundaryAnswers
from reports.boundary_inputs import BoundaryPage
from reports.boundary_words import baseline_text, made_of, made_of_backtest, share_below, tested_by
from reports.tables import NOTHING, Cell, Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.words import cited, printable
from scaling.errors import ScalingError
from scaling.formatting import format_estimate, format_number, format_percent, format_plural

if TYPE_CHECKING:
    from scaling.boundary.evaluation.metrics import Metrics

_FEW_ABOVE = 5.0  # scores expected above the boundary, as `scaling.boundary.judge` asks for
_WIDE = 2.0  # standard errors
_MOST_BIAS = 5e-3
_MOST_STEPS = 12
_BINS = {"train_overlap": "of the models fitted, cut to the compute in common", "test_fixed": "of the models scored"}


def checks(answers: BoundaryAnswers) -> list[Check]:
    """List the checks of a boundary."""
    return [*_of_the_quantile(answers), *_of_the_groups(answers.page), *_of_the_curve(answers), *_of_the_past(answers)]


def _of_the_quantile(answers: BoundaryAnswers) -> list[Check]:
    b = answers.page.boundary
    beyond = b.n_obs * (1 - b.tau)
    spread = math.sqrt(b.n_obs * b.tau * (1 - b.tau))
    agrees = abs(b.n_above - beyond) <= _WIDE * spread
    bias = abs(math.log(b.tau / (1 - b.tau))) / b.settings.kappa
    return [
        Check(
            "Enough models for this quantile",
            YES if beyond >= _FEW_ABOVE else NO,
            f"{format_number(beyond, 2)} of {b.n_obs} expected above",
            f"With fewer than {_FEW_ABOVE:g} expected above it the curve rests on single models.",
        ),
        Check(
            "As many above it as expected",
            YES if agrees else NO,
            f"{b.n_above} above, {format_number(beyond, 2)} ± {format_number(spread, 2)} expected",
            "Of the models that were fitted: it tells a lifted or failed fit, and nothing of models to come.",
        ),
        Check(
            "No bias by the rounded corner of the loss",
            YES if bias <= _MOST_BIAS else NO,
            f"up to {format_number(bias, 2)}",
            f"kappa {format_number(b.settings.kappa)}; where scores do not scatter the curve lies higher by so much.",
        ),
    ]


def _of_the_groups(page: BoundaryPage) -> list[Check]:
    b, word = page.boundary, page.group_word
    different = len(np.unique(b.scores.log10_compute))
    out = [
        Check(
            "Different values of compute", NONE, f"{different} among {format_plural(b.n_obs, 'model')}",
            "Models made from one base share its compute, so the curve is seen at so many places only.",
        )
    ]  # fmt: skip
    if b.scores.groups is None:
        out.append(
            Check(
                f"{word.capitalize()}s known", NO, "none given",
                "Each model counts as an independent draw, so that bands are too narrow where models share a base.",
            )
        )  # fmt: skip
    else:
        count = Counter(map(str, b.scores.groups))
        above = {str(g) for g, over in zip(b.scores.groups, b.scores.score > b.fitted, strict=True) if over}
        name, most = count.most_common(1)[0]
        out.append(
            Check(
                f"{word.capitalize()}s known",
                YES if len(count) > 1 else NO,
                f"{len(count)}; the {b.n_above} above are of {len(above)}",
                f"The largest, {printable(name)}, holds {format_percent(most / b.n_obs)} of the models.",
            )
        )
    if b.bootstrap:
        done = b.fit.diagnostics.replicates_converged
        out.append(
            Check(
                "Replicates of the band",
                YES if done >= 0.95 else NO,
                f"{b.bootstrap}, {format_percent(done, 3)} ended",
                b.fit.interval_method[:1].upper() + b.fit.interval_method[1:] + ".",
            )
        )
    else:
        out.append(Check("Replicates of the band", NONE, "none", "No bootstrap was made, so there are no bands."))
    return out


def _of_the_curve(answers: BoundaryAnswers) -> list[Check]:
    page = answers.page
    rise = float(np.ptp(page.boundary.fitted))
    marked = [f"{int(mask.sum())} {name}" for name, mask in page.marks.items() if mask.any()]
    out = [
        Check(
            "It rises with compute",
            YES if rise >= 1e-3 else NO,
            f"by {format_number(rise, 3)}",
            "From the smallest to the largest compute seen.",
        ),
        Check(
            "Quantiles that cross", NONE, format_number(answers.grid.crossing, 2),
            "The most by which neighbouring quantiles crossed before they were put in order.",
        ),
    ]  # fmt: skip
    if marked:
        over = page.boundary.scores.score > page.boundary.fitted
        high = [f"{int((mask & over).sum())} {name}" for name, mask in page.marks.items() if mask.any()]
        out.append(
            Check(
                "Models that their source marks", NONE, ", ".join(marked),
                f"Of those above the boundary: {', '.join(high)}.",
            )
        )  # fmt: skip
    return out


def _of_the_past(answers: BoundaryAnswers) -> list[Check]:
    from scaling.boundary.evaluation.result import FORECAST

    found = answers.page.backtest
    if found is None:
        return [
            Check("Held against models that came later", NO, "not tried", "What it does on them is not known."),
        ]
    means, tau = found.means, found.rows[0].tau
    own = means[FORECAST]
    rivals = {name: m["pinball"] for name, m in means.items() if not name.startswith(FORECAST)}
    best = min(rivals, key=lambda name: rivals[name])
    errors = [row.out[FORECAST].coverage_se for row in found.rows]
    error = float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
    kept = abs(own["coverage"] - tau) <= _WIDE * error
    return [
        Check(
            "Less loss than every baseline on models held out",
            YES if own["pinball"] < rivals[best] else NO,
            f"{format_number(own['pinball'], 3)} against {format_number(rivals[best], 3)}",
            f"Pinball loss, the mean over {format_plural(len(found), 'step')}; the best baseline is "
            f"{baseline_text(best)}.",
        ),
        Check(
            "Models held out stay below it as often as said",
            YES if kept else NO,
            f"{format_percent(own['coverage'], 3)} ± {format_number(100 * error, 2)} %",
            f"{share_below(tau)} nominal; a yes is within two standard errors, clustered where groups are known. A "
            "curve that is never crossed would come close too, so the loss counts more.",
        ),
    ]


def of_rivals(page: BoundaryPage) -> Table:
    """Make the table of the boundary beside all baselines: pinball loss, skill and coverage, held out and fitted."""
    found = page.backtest
    within: dict[str, dict[str, float]]
    if found is None:
        out: dict[str, dict[str, float]] = {}
        within = {name: _plain(m) for name, m in in_sample(page).items()}
        order, key = sorted(within, key=lambda name: within[name]["pinball"]), "boundary without margin"
    else:
        out, within = found.means, found.within
        order, key = sorted(out, key=lambda name: out[name]["pinball"]), "boundary"
    rows = [(_name(model), *(_cells(out.get(model)) if out else ()), *_cells(within.get(model))) for model in order]
    parts = ("held out", "fitted") if out else ("fitted",)
    heads = (
        "curve",
        *(f"{what}, {part}" for part in parts for what in ("pinball", "skill", "below", "coverage error")),
    )
    tau = share_below(page.boundary.tau)
    note = (
        "Pinball: mean exact loss, the smaller the better. Skill: 1 - the loss over that of the constant quantile of "
        f"the models fitted. Below: share of the models, {tau} nominal. Coverage error: mean over bins of compute of "
        "the absolute difference from that, and the same with its sign (below 0 too many lie above); never to be read "
        f"alone, since a curve that nothing crosses has one of {format_number(1 - page.boundary.tau, 3)}. "
        + (
            f"Means over {format_plural(len(found), 'step')}. "
            + made_of_backtest(page, "standard errors stand in the table of steps")
            if found is not None
            else made_of(page, "none")
        )
    )
    caption = "The boundary beside what it has to beat"
    return make_table(caption, heads, rows, note=note, strong=(order.index(key),))


def _name(model: str) -> Cell:
    if model == "boundary":
        return "this boundary, with margin"
    if model == "boundary without margin":
        return "this boundary, without margin"
    return cited(baseline_text(model))


def _plain(metrics: Metrics) -> dict[str, float]:
    return {name: getattr(metrics, name) for name in
            ("pinball", "skill", "coverage", "coverage_error", "signed_coverage_error")}  # fmt: skip


def _cells(m: dict[str, float] | None) -> tuple[Cell, ...]:
    if m is None:
        return (NOTHING,) * 4
    return (
        format_number(m["pinball"], 3),
        format_number(m["skill"], 2),
        format_percent(m["coverage"], 3),
        Markup('{}<span class="below">{}</span>').format(
            format_number(m["coverage_error"], 2), signed(m["signed_coverage_error"])
        ),
    )


def signed(value: float) -> str:
    """Write a difference with its sign."""
    text = format_number(abs(value), 2)
    return text if text == "0" else f"{'+' if value > 0 else '-'}{text}"


def of_steps(page: BoundaryPage) -> Table | None:
    """Make the table of the steps from a period to the next; None without a back-test."""
    from scaling.boundary.evaluation.result import FORECAST

    found = page.backtest
    if found is None:
        return None
    rows, two_lines = [], Markup('{}<span class="below">{}</span>')
    for row in found.rows[-_MOST_STEPS:]:
        m = row.out[FORECAST]
        rivals = {name: o.pinball for name, o in row.out.items() if not name.startswith(FORECAST)}
        best = min(rivals, key=lambda name: rivals[name])
        rows.append(
            (
                printable(f"{row.train} → {row.test}"),
                str(row.n_train),
                f"{row.n_common} of {row.n_test}",
                format_number(row.margin, 2),
                format_estimate(m.pinball, m.pinball_se),
                Markup('{}<span class="below">{}</span>').format(
                    format_number(rivals[best], 3), cited(baseline_text(best))
                ),
                format_number(m.skill, 2),
                f"{format_percent(m.coverage, 3)} ± {format_number(100 * m.coverage_se, 2)} %",
                two_lines.format(format_number(m.coverage_error, 2), signed(m.signed_coverage_error)),
            )
        )
    heads = (
        "fitted → held against", "fitted", "scored", "margin", "pinball", "best baseline", "skill", "below",
        "coverage error",
    )  # fmt: skip
    cut = f"The last {_MOST_STEPS} of {len(found)} steps. " if len(found) > _MOST_STEPS else ""
    note = (
        f"{cut}The boundary with its margin, {tested_by(found)}; the margin is learned from what was known by then. "
        f"Bins of the coverage error: {_BINS.get(found.bins, found.bins)}. "
        f"{made_of_backtest(page, 'standard errors, clustered where groups are known')}"
    )
    caption = "Forecasts of models of more compute" if found.mode == "largest" else "Forecasts of the next period"
    return make_table(caption, heads, rows, note=note)


def in_sample(page: BoundaryPage) -> dict[str, Metrics]:
    """Score the boundary and all baselines on the models that were fitted."""
    from scaling.boundary.evaluation.baselines import BINNED, CONSTANT, NAMES, SMOOTHED, fit_baseline
    from scaling.boundary.evaluation.bins import equal_mass_edges
    from scaling.boundary.evaluation.metrics import measure

    b = page.boundary
    z, y = b.scores.log10_compute, b.scores.score
    edges, curves = equal_mass_edges(z), {"boundary without margin": b.fitted}
    for name in NAMES:
        try:
            curves[name] = fit_baseline(name, z, y, b.tau)(z)
        except (ScalingError, ValueError, np.linalg.LinAlgError):  # too few models for it
            continue
    binned = curves.get(SMOOTHED, curves.get(BINNED))
    return {
        name: measure(z, y, curve, b.tau, edges, b.scores.groups, curves.get(CONSTANT), binned)
        for name, curve in curves.items()
    }
