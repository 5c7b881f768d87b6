"""Turn a saved fit of batch sizes or of tuning into what its page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reports.batch_page import Decision, Origin
from reports.inputs import Source
from scaling.errors import ScalingError, UsageError
from scaling.formatting import format_plural

REPLICATES = 200  # of what is fitted for the page alone
ROWS = {
    "steps": "batch size", "critical_batch": "critical batch size", "iso_loss": "critical batch size",
    "noise_scale": "window", "tuning": "optimum",
}  # fmt: skip


def gather(parts: Any, targets: Sequence[Mapping[str, float]] = (), level: float = 0.9) -> tuple[Decision, Origin]:
    """Gather what the page shows.

    Parameters
    ----------
    parts : db.batch_pages.PageParts
        The fit, and what goes with it.
    targets : sequence of mapping
        Runs, or batch sizes, that were asked for.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    decision : Decision
        What the page says.
    origin : Origin
        Where it comes from.

    Raises
    ------
    UsageError
        For targets that such a page has no place for.
    """
    makers = {
        "steps": _steps, "critical_batch": _law, "iso_loss": _law, "noise_scale": _noise, "tuning": _tuning,
    }  # fmt: skip
    origin = origin_of(parts, level)
    if parts.kind == "tuning":
        origin = replace(origin, name=parts.made.name)  # one page for all laws of a sweep
    return makers[parts.kind](parts, targets, origin), origin


def origin_of(parts: Any, level: float) -> Origin:
    """Say where the numbers of a page come from."""
    saved, rows = parts.saved, parts.rows
    word = ROWS[parts.kind]
    counted = f"{len(rows)} optima" if word == "optimum" and len(rows) != 1 else format_plural(len(rows), word)
    return Origin(
        name=saved.name,
        fit=saved.fit,
        command=saved.command,
        sql=saved.sql,
        data_sha256=saved.data_sha256,
        store=Path(parts.store).name,
        created_at=f"{saved.created_at:%Y-%m-%d %H:%M} UTC",
        where=str(saved.config["derived"]["asked"].get("where") or ""),
        rows=counted,
        runs=len(rows.runs),
        sources=tuple(
            Source(Path(s.uri).name, s.sha256, s.n_runs, f"{s.imported_at:%Y-%m-%d %H:%M} UTC") for s in parts.sources
        ),
        excluded_counts=dict(saved.excluded["counts"]),
        notes=tuple(saved.config["notes"]),
        versions=saved.env,
        simulated=parts.simulated,
        level=level,
    )


def named_inputs(targets: Sequence[Mapping[str, float]], allowed: Sequence[str], what: str) -> None:
    """Refuse targets that name what a page does not take."""
    for target in targets:
        if odd := [name for name in target if name not in allowed]:
            listed = ", ".join(allowed)
            raise UsageError(
                f"The page of {what} takes {listed}, and a target names {odd[0]}.",
                f"Write it as: --at {','.join(f'{name}=...' for name in allowed)}",
            )


def _steps(parts: Any, targets: Sequence[Mapping[str, float]], origin: Origin) -> Decision:
    from reports.batch_steps_page import StepsPage, decide
    from scaling.batch_size.forms import compare_forms

    named_inputs(targets, ("B",), "steps to a target")
    steps, sweep = parts.made.steps, parts.rows.source
    try:
        forms = compare_forms(
            steps.batch, steps.steps, steps.censored, unit=steps.unit, bootstrap=REPLICATES,
            seed=origin.fit.seed or 0, level=origin.level,
        )  # fmt: skip
    except ScalingError:
        forms = None
    page = StepsPage(
        steps=steps,
        cells=tuple(cell for cell in sweep.found.cells if cell.bounds),
        overhead=sweep.overhead,
        anchor=sweep.anchor,
        target=sweep.found.target,
        rule=sweep.rule,
        batches=tuple(target["B"] for target in targets),
        forms=forms,
        backtest=parts.backtest,
    )
    return decide(page, origin)


def one_method(methods: set[str]) -> str:
    """Write how intervals were made: what all have in common once, and by how many degrees of freedom they differ."""
    found = [re.fullmatch(r"(.* with )([\w.]+)( degrees? of freedom)", text) for text in sorted(methods)]
    if len(found) > 1 and all(found) and len({m[1] for m in found if m}) == 1:
        degrees = sorted((m[2] for m in found if m), key=lambda text: 1.0 if text == "one" else float(text))
        return f"{found[0][1]}{degrees[0]} to {degrees[-1]} degrees of freedom" if found[0] else ""
    return ", ".join(sorted(methods))


def _law(parts: Any, targets: Sequence[Mapping[str, float]], origin: Origin) -> Decision:
    from reports.batch_law_page import LawPage, LawPoint, decide

    law, source = parts.made, parts.rows.source
    named_inputs(targets, ("N", "D", "L"), "a law of the critical batch size")
    inputs: dict[str, Any]
    if parts.kind == "iso_loss":
        inputs = {
            "N": np.array([p.n_params for p in source.points]),
            "D": np.array([p.fewest_tokens for p in source.points]),
            "L": np.array([p.target for p in source.points]),
        }
        nothing = float("nan")
        points = [
            LawPoint(name, p.critical_batch, nothing, nothing, p.beyond, p.batches, None)
            for name, p in zip(parts.rows.run_ids, source.points, strict=True)
        ]
        method, tokens = "none of single points: replicates draw model sizes whole", "the fewest tokens at the loss"
    else:
        inputs = source.inputs
        overhead, anchor = law.record["overhead"], law.record["anchor"]
        points, methods = [], set()
        for p in source.points:
            found = p.steps.critical_batch(overhead, anchor if overhead is not None else None, origin.level)
            factor = p.critical / found.estimate  # into the unit of the law
            methods.add(found.method)
            outside = found.estimate > float(p.steps.batch.max())
            points.append(
                LawPoint(p.label, p.critical, found.low * factor, found.high * factor, outside, len(p.steps.batch), p)
            )
        method = one_method(methods)
        tokens = "training tokens of the runs" if source.tokens_from == "runs" else "the fewest samples b of the curve"
    page = LawPage(
        law=law, points=tuple(points), inputs=inputs, targets=tuple(dict(t) for t in targets), point_method=method,
        tokens_are=tokens, backtest=parts.backtest, of_runs=parts.kind == "iso_loss",
    )  # fmt: skip
    return decide(page, origin)


def _noise(parts: Any, targets: Sequence[Mapping[str, float]], origin: Origin) -> Decision:
    from reports.batch_noise_page import NoisePage, decide

    named_inputs(targets, ("T",), "a noise scale")
    found = parts.made
    page = NoisePage(
        run_id=found.run_id, noise=found.noise, curve=found.curve, times=tuple(t["T"] for t in targets),
        critical=dict(parts.beside), backtest=parts.backtest, metric=parts.rows.metric,
    )  # fmt: skip
    return decide(page, origin)


def _tuning(parts: Any, targets: Sequence[Mapping[str, float]], origin: Origin) -> Decision:
    from reports.tuning_page import TuningPage, decide

    named_inputs(targets, ("N", "D", "B"), "learning rates and batches")
    if any(not {"N", "D"} <= set(target) for target in targets):
        raise UsageError("A recommendation needs parameters and tokens.", "Write them as: --params ... --tokens ...")
    made = parts.made
    page = TuningPage(
        laws=made.laws, targets=tuple(dict(t) for t in targets), regrets=made.sweep.regrets(),
        timescale=made.timescale, surface=made.surface, backtest=parts.backtest, base=made.name,
        names={part: saved.name for part, saved in made.saved.items()},
    )  # fmt: skip
    return decide(page, origin)
