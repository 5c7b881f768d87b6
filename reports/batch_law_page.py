"""The page of a law of the critical batch size: the batch of a run, how it grows, and next to which laws it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reports.batch_law_axis import axis_of, run_names
from reports.batch_law_curves import curves_figure
from reports.batch_law_figure import law_figure
from reports.batch_law_published import published_figure
from reports.batch_law_tables import (
    costs_table,
    forecasts_table,
    growth_words,
    points_table,
    published_table,
    published_words,
)
from reports.batch_page import Decision, Origin, Section, estimates_table
from reports.batch_words import ends_text, fit_checks, past_check, size_text
from reports.tables import of_checks
from reports.trust import NO, NONE, YES, Check
from reports.words import INSIDE, cited, factor_words, level_text
from scaling.batch_size.law_design import ARGUMENTS, NEEDS
from scaling.errors import ScalingError
from scaling.formatting import format_count, format_interval, format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.batch_size.law_result import CriticalLaw
    from scaling.fitting.backtest import Backtest

Array = NDArray[np.float64]
_EXAMPLES = {"N": "1e9", "D": "2e10", "L": "2.7"}


@dataclass(frozen=True)
class LawPoint:
    """A critical batch size of the law.

    Parameters
    ----------
    label : str
        Its sweep or target.
    critical, low, high : float
        In the unit of the fit, with its own interval; NaN where it has none.
    beyond : bool
        Whether it lies beyond the largest batch tried.
    batches : int
        Batch sizes behind it.
    source : object or None
        With the ``steps`` and the ``sweep`` behind it.
    """

    label: str
    critical: float
    low: float
    high: float
    beyond: bool
    batches: int
    source: Any


@dataclass(frozen=True)
class Forecast:
    """What the law says of one run; the first three in the unit of the points, the next in that of the fit."""

    target: dict[str, float]
    estimate: float
    low: float
    high: float
    fit_estimate: float
    fit_low: float
    fit_high: float
    factor: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class LawPage:
    """What the page of a law shows.

    Parameters
    ----------
    law : CriticalLaw
        With its points.
    points : tuple of LawPoint
        In the order of the rows.
    inputs : mapping of str to ndarray (m,)
        ``N``, ``D`` and ``L`` of the points, as far as they are known.
    targets : tuple of dict
        Runs asked for.
    point_method : str
        How the intervals of the points were made.
    tokens_are : str
        What the tokens of a point are.
    backtest : Backtest or None
        The largest points held out.
    of_runs : bool
        Whether the points were read across runs of several lengths.
    """

    law: CriticalLaw
    points: tuple[LawPoint, ...]
    inputs: Mapping[str, Array]
    targets: tuple[dict[str, float], ...] = ()
    point_method: str = ""
    tokens_are: str = "training tokens"
    backtest: Backtest | None = None
    of_runs: bool = False
    _cache: dict[float, list[Forecast]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """Inputs of the law."""
        return NEEDS[self.law.fit.law.name]

    @property
    def identified(self) -> bool:
        """Whether the law gives numbers."""
        return self.law.verdict != NOT_IDENTIFIED

    @property
    def fit_unit(self) -> str:
        """Unit of the fit: tokens wherever the length of a sample is known."""
        return str(self.law.record["fit_unit"])

    @property
    def data_unit(self) -> str:
        """What D counts: tokens where the length of a sample is known, else the unit of the batch."""
        return self.fit_unit

    @property
    def asked(self) -> tuple[dict[str, float], ...]:
        """Runs asked for, or the largest point."""
        if self.targets:
            return self.targets
        name = axis_of(self)
        at = int(np.argmin(self.inputs[name]) if name == "L" else np.argmax(self.inputs[name]))
        return ({k: float(v[at]) for k, v in self.inputs.items()},)

    def arguments(self, target: Mapping[str, Any]) -> dict[str, Any]:
        """Name the inputs of a run as `CriticalLaw.predict` does."""
        return {ARGUMENTS[k]: v for k, v in target.items()}

    def forecasts(self, level: float) -> list[Forecast]:
        """What the law says of the runs asked for; nothing where it is not identified, or an input is missing."""
        if level not in self._cache:
            self._cache[level] = [self._forecast(t, level) for t in self.asked] if self.identified else []
        return self._cache[level]

    def _forecast(self, target: dict[str, float], level: float) -> Forecast:
        own = self.law.predict(**self.arguments(target), level=level, unit=self.fit_unit)
        factor = self.law.factor()
        mean, low, high = (float(np.asarray(v).ravel()[0]) for v in (own.estimate, own.low, own.high))
        far = float(np.max(own.extrapolation_factor))
        return Forecast(
            dict(target), mean * factor, low * factor, high * factor, mean, low, high, far, tuple(own.notes)
        )


def decide(page: LawPage, origin: Origin) -> Decision:
    """Make the page; as `reports.batch_steps_page.decide`."""
    forecasts = page.forecasts(origin.level)
    published = published_table(page)
    return Decision(
        overline="Critical batch size from runs of several lengths" if page.of_runs else "Law of the critical batch "
                                                                                         "size",
        title=f"Critical batch size: {origin.name}",
        headline=_headline(page, forecasts, origin),
        quote=_quote(page, origin) if page.identified else "",
        choice="" if page.targets or not page.identified else "No run was asked for; the answer is for the largest "
                                                              "of the points. Ask "
        f"for another with --at {','.join(f'{k}={v}' for k, v in _EXAMPLES.items() if k in page.needs)}.",
        verdict=page.law.verdict,
        reasons=page.law.reasons,
        sections=(
            Section("answer", "Which batch", "Which batch", tuple(dict.fromkeys(n for f in forecasts for n in f.notes)),
                    (forecasts_table(page, forecasts, origin), costs_table(page, forecasts, origin))),
            Section("law", "The law", "The law",
                    parts=(law_figure(page, origin), estimates_table(page.law.fit, origin))),
            Section("trust", "Can it be trusted?", "Trust", parts=(of_checks(_checks(page, origin)),)),
            Section("published", "Published laws", "Published laws", (published_words(page),),
                    (published, published_figure(page, origin))),
            Section("curves", "The curves behind the points", "Curves", parts=(curves_figure(page, origin),)),
        ),
        methods=_methods(page, origin),
        tables=(points_table(page, origin),),
        machine={
            "kind": "iso_loss" if page.of_runs else "critical_batch",
            "law": page.law.to_dict(origin.level),
            "forecasts": [vars(f) for f in forecasts],
            "points": [
                {"label": p.label, "critical": p.critical, "low": p.low, "high": p.high, "beyond": p.beyond,
                 **{k: float(v[i]) for k, v in page.inputs.items()}}
                for i, p in enumerate(page.points)
            ],
            "backtest": None if page.backtest is None else page.backtest.to_dict(),
        },
    )  # fmt: skip


def _headline(page: LawPage, forecasts: list[Forecast], origin: Origin) -> Markup:
    if not page.identified:
        why = page.law.reasons[0] if page.law.reasons else ""
        return Markup("How the critical batch size grows cannot be told from {}. {}").format(
            format_plural(len(page.points), "point"), why
        )
    first, unit = forecasts[0], page.law.unit
    [what] = run_names(page, [{k: v for k, v in first.target.items() if k in page.needs}])
    tokens = ""
    if unit != page.fit_unit == "tokens":
        tokens = f", {format_count(first.fit_estimate)} tokens,"
    return Markup("At {}, a step may hold <strong>{} {}</strong>{} before it wastes compute: {} ({} interval {}; "
                  "{}).").format(
        what, size_text(first.estimate, unit), unit, tokens, page.law.convention, level_text(origin.level),
        ends_text(first.low, first.high, unit), factor_words(first.factor),
    )  # fmt: skip


def _quote(page: LawPage, origin: Origin) -> str:
    return f"The law: {page.law.written(page.law.unit, 1 if 'L' in page.needs else 1e6)}. {growth_words(page, origin)}"


def _checks(page: LawPage, origin: Origin) -> list[Check]:
    law, design = page.law, page.law.design
    outside = sum(p.beyond for p in page.points)
    coupled = design.kind == "coupled"
    out = [
        Check("Size and tokens told "
              "apart", NO if coupled else NONE if design.kind == "one known" else YES, design.kind,
              design.words),
        Check("Points among the batches tried", NO if outside else YES, f"{len(page.points) - outside} of "
                                                                        f"{len(page.points)}",
              "Those beyond the largest batch tried rest on the form of the curve." if outside else
              "No critical batch size lies beyond the largest batch tried."),
    ]  # fmt: skip
    if forecasts := page.forecasts(origin.level):
        inside = sum(f.factor < INSIDE for f in forecasts)
        out.append(
            Check("Asked inside the points", YES if inside == len(forecasts) else NO, f"{inside} of {len(forecasts)}",
                  "Beyond the points a forecast rests on the form of the law.")
        )  # fmt: skip
    try:
        held = law.held_out_largest(origin.level)
    except ScalingError:
        out.append(past_check(page.backtest, "largest points"))
    else:
        low, high = float(np.ravel(held.forecast.low)[0]), float(np.ravel(held.forecast.high)[0])
        said = low <= held.measured <= high
        out.append(
            Check("Largest point forecast by the others", YES if said else NO, f"off by {format_percent(held.missed)}",
                  f"From {format_plural(held.points, 'point')}: "
                  f"{size_text(float(np.ravel(held.forecast.estimate)[0]), law.unit)} "
                  f"({level_text(origin.level)} interval {ends_text(low, high, law.unit)}), measured "
                  f"{size_text(held.measured, law.unit)} {law.unit}.")
        )  # fmt: skip
    return [*out, *fit_checks(law.fit)]


def _methods(page: LawPage, origin: Origin) -> tuple[tuple[str, str | Markup], ...]:
    fit, record = page.law.fit, page.law.record
    length = record["tokens_per_sample"]
    known = math.isfinite(float(length)) if length is not None else False
    return (
        ("Critical batch size", cited(f"{page.law.convention}. Points came in {page.law.unit}; the law is in "
                                      f"{page.fit_unit} a step"
                                      + (f", {format_number(float(length))} tokens a sample." if known else "."))),
        ("Points", cited("Read across runs of several lengths, each decayed to its end: the tokens that each batch "
                         "needs "
                         "for a loss, and the law D = D_min (1 + B/B_crit) through them (arXiv:2505.13738)."
                         if page.of_runs else
                         "A curve of steps S = a + b/B, or the form that was asked for, is fitted to each sweep or "
                         "target; its critical batch size is a point (arXiv:2410.21676).")),
        ("D of a point", page.tokens_are.capitalize() + "."),
        ("Law", f"{fit.law.output} = {fit.law.formula}; objective: {fit.objective}; {fit.law.name} of the law book."),
        ("Intervals", f"{level_text(origin.level)}. Of points: {page.point_method}. Of the law: "
                      f"{fit.interval_method}; "
                      f"{page.law.interval_holds}."),
        ("Exponents", "; ".join(
            f"{name} = {format_number(fit.estimates[name])} "
            f"({format_interval(*fit.interval(name, origin.level))})"
            for name in fit.law.parameter_names if name in ("p", "q", "alpha_B"))
            + ". They depend on the convention: an anchor adds a constant to every point."),
    )  # fmt: skip
