"""The page of a gradient noise scale: how large it is, how it grew, and what it is worth as a stand-in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from reports.batch_noise_figure import noise_figure
from reports.batch_page import Decision, Origin, Section, estimates_table
from reports.batch_words import critical_text, ends_text, fit_checks, past_check, size_text
from reports.tables import Table, make_table, of_checks
from reports.trust import NO, NONE, YES, Check
from reports.words import cited, factor_text, level_text, listed, sentence
from scaling.batch_size.calibration import PROXY, calibrate_noise_scale
from scaling.batch_size.noise_windows import describe_growth
from scaling.errors import ScalingError
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.batch_size.calibration import Calibration
    from scaling.batch_size.critical import CriticalBatch
    from scaling.batch_size.noise import NoiseScale
    from scaling.batch_size.noise_windows import NoiseScaleCurve
    from scaling.fitting.backtest import Backtest


@dataclass(frozen=True)
class NoisePage:
    """What the page of a noise scale shows.

    Parameters
    ----------
    run_id : str
        The run.
    noise : NoiseScale
        Of all its rows.
    curve : NoiseScaleCurve
        Of its windows.
    times : tuple of float
        Steps or tokens asked for.
    critical : mapping of str to CriticalBatch
        b/a of saved curves of the same runs, by the names of the fits.
    backtest : Backtest or None
        The last windows held out.
    metric : str
        The metric of the big batch.
    """

    run_id: str
    noise: NoiseScale
    curve: NoiseScaleCurve
    times: tuple[float, ...] = ()
    critical: Mapping[str, CriticalBatch] = field(default_factory=dict)
    backtest: Backtest | None = None
    metric: str = ""

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """Critical batch size over noise scale, by the names of the fits; those that cannot be told are left out."""
        found = {}
        for name, critical in self.critical.items():
            try:
                found[name] = calibrate_noise_scale(critical, self.noise)
            except ScalingError:
                continue
        return found


def decide(page: NoisePage, origin: Origin) -> Decision:
    """Make the page; as `reports.batch_steps_page.decide`."""
    known = origin.fit.verdict != NOT_IDENTIFIED
    return Decision(
        overline="Gradient noise scale",
        title=f"Gradient noise scale: {origin.name}",
        headline=_headline(page),
        quote=_quote(page),
        choice="",
        verdict=origin.fit.verdict,
        verdict_of="the law over training",
        reasons=origin.fit.diagnostics.reasons,
        sections=(
            Section("answer", "Over training", "Over training",
                    parts=(noise_figure(page, origin), _forecasts(page, origin) if known else None)),
            Section("critical", "Beside the critical batch size", "Critical batch size", (_beside_words(page),),
                    (_calibration_table(page, origin),)),
            Section("trust", "Can it be trusted?", "Trust", parts=(
                of_checks(_checks(page, origin)), estimates_table(origin.fit, origin))),
        ),
        methods=_methods(page, origin),
        tables=(_windows_table(page, origin),),
        machine={
            "kind": "noise_scale",
            "run": page.run_id,
            "noise_scale": page.noise.to_dict(),
            "curve": page.curve.to_dict(),
            "critical_batches": {name: c.to_dict() for name, c in page.critical.items()},
            "calibrations": {name: c.to_dict() for name, c in page.calibrations.items()},
            "backtest": None if page.backtest is None else page.backtest.to_dict(),
        },
    )  # fmt: skip


def _headline(page: NoisePage) -> Markup:
    n = page.noise
    if n.verdict == "negative":
        return Markup("The gradient of the run {} cannot be told apart from its noise: the estimate of the noise "
                      "scale is "
                      "negative by sampling, so only batches far beyond those logged would say more. {}").format(
            page.run_id, n.reason)  # fmt: skip
    if n.unbounded:
        least = f"at least {size_text(n.low, n.unit)} {n.unit}" if n.low > 0 else "of unknown size"
        return Markup("The noise scale of the run {} is <strong>{}</strong> ({} interval without an upper "
                      "end).").format(
            page.run_id, least, level_text(n.level)
        )  # fmt: skip
    return Markup("The gradient noise scale of the run {} is <strong>{} {}</strong> ({} interval {}): a batch of "
                  "that many "
                  "has as much noise as gradient.").format(
        page.run_id, size_text(n.estimate, n.unit), n.unit, level_text(n.level), ends_text(n.low, n.high, n.unit)
    )  # fmt: skip


def _quote(page: NoisePage) -> str:
    growth = describe_growth(page.curve)
    said = [f"of {name} is {format_number(c.ratio, 3)} noise scales" for name, c in page.calibrations.items()]
    return growth + (f" The critical batch size b/a {listed(said)}." if said else "")


def _beside_words(page: NoisePage) -> str:
    if page.critical:
        return PROXY
    return (
        "The noise scale is a proxy for the critical batch size, and their ratio differs about tenfold between tasks "
        "(arXiv:1812.06162). No saved curve of steps over batch size is of this run, or of runs of its size in the "
        "same unit, so "
        "there is no critical batch size to hold it against here. One is made with: scaling batch-size fit"
    )


def _calibration_table(page: NoisePage, origin: Origin) -> Table | None:
    if not page.critical:
        return None
    found, rows = page.calibrations, []
    for name, critical in page.critical.items():
        one = found.get(name)
        rows.append((
            name, critical_text(critical), critical.definition,
            "–" if one is None else format_number(one.ratio, 3),
            "–" if one is None else format_interval(one.low, one.high),
        ))  # fmt: skip
    heads = ("fit", "critical batch size", "by", "over the noise scale", f"{level_text(page.noise.level)} interval")
    note = (
        "Interval of the ratio: from those of both, as independent. Critical batch: "
        f"{next(iter(page.critical.values())).method}; "
        f"noise scale: {page.noise.method}. Data: {origin.data}."
    )  # fmt: skip
    return make_table("Critical batch size over noise scale", heads, rows, (0, 1, 2), note)


def _forecasts(page: NoisePage, origin: Origin) -> Table | None:
    if not page.times:
        return None
    said = origin.fit.predict({"T": list(page.times)}, origin.level, "curve")
    unit = page.noise.unit
    rows = [
        (format_count(t), size_text(float(said.mean[i]), unit),
         ends_text(float(said.low[i]), float(said.high[i]), unit), factor_text(float(said.extrapolation_factor[i])))
        for i, t in enumerate(page.times)
    ]  # fmt: skip
    heads = (page.curve.time, f"noise scale ({unit})", f"{level_text(origin.level)} interval", "extrapolation")
    return make_table("Noise scale at other times, by the law", heads, rows, 1, origin.made_of())


def _checks(page: NoisePage, origin: Origin) -> list[Check]:
    n, windows = page.noise, page.curve.windows
    usable = len(page.curve.usable)
    return [
        Check("Interval has an upper end", NO if n.unbounded else YES, ends_text(n.low, n.high, n.unit),
              "The squared gradient is told apart from zero." if not n.unbounded else
              "The squared gradient is not told apart from zero: log more rows, or a larger big batch."),
        Check("Windows with both ends", YES if usable == len(windows) else NO, f"{usable} of {len(windows)}",
              "The others take no part in the law over training."),
        Check("Rows taken one by one", YES if n.block_length == 1 else NONE,
              f"blocks of {n.block_length}", f"{format_plural(n.n_blocks, 'block')}: neighbours that are alike are "
                                             "averaged "
              "before their scatter is taken."),
        Check("Rows with a negative gradient estimate", NONE, format_percent(n.n_negative / n.n),
              "They count like all others; dropping them would bias the ratio."),
        Check("Rows left out", YES if not n.n_left_out else NO, str(n.n_left_out), "A number was missing or not "
                                                                                   "finite."),
        past_check(page.backtest, "last windows"),
        *fit_checks(origin.fit),
    ]  # fmt: skip


def _methods(page: NoisePage, origin: Origin) -> tuple[tuple[str, str | Markup], ...]:
    return (
        ("Noise scale", cited("tr(Sigma)/|G|^2 from squared gradient norms at two batch sizes (arXiv:1812.06162): a "
                              "ratio of "
                              f"means, never a mean of ratios. {sentence(page.noise.method)}.")),
        ("Intervals", f"{level_text(page.noise.level)}, Fieller's theorem, for all rows and for each window; of the "
                      "law: "
                      f"{origin.fit.interval_method}."),
        ("Law", f"{origin.fit.law.output} = {origin.fit.law.formula}, T in {page.curve.time}; objective: "
                f"{origin.fit.objective}, windows weighted by their squared relative errors, and only those with "
                "both ends."),
        ("Unit", f"{page.noise.unit.capitalize()}, that of the batch sizes logged."),
    )  # fmt: skip


def _windows_table(page: NoisePage, origin: Origin) -> Table:
    unit = page.noise.unit
    rows = [
        (f"{format_count(w.first)} to {format_count(w.last)}", size_text(w.noise.estimate, unit),
         ends_text(w.noise.low, w.noise.high, unit), str(w.noise.n), str(w.noise.block_length),
         format_number(w.noise.gradient_sqnorm, 3), w.noise.verdict)
        for w in page.curve.windows if math.isfinite(w.noise.estimate)
    ]  # fmt: skip
    heads = (page.curve.time, f"noise scale ({unit})", f"{level_text(page.noise.level)} interval", "rows", "block",
             "squared gradient", "state")  # fmt: skip
    note = f"Windows of the run {page.run_id}; the metric of the big batch is {page.metric}. {origin.data}."
    return make_table("Windows of training", heads, rows, (0, 6), note)
