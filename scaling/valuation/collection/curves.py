"""Learning curves of groups or sources: how the error falls with the number of examples of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import whole
from scaling.formatting import format_count, format_interval, format_number, format_plural
from scaling.serial import plain
from scaling.valuation.collection.curve_fits import LEAST_POOLED, own_fit, pooled_fit
from scaling.valuation.collection.pooling import Pool, pool_exponents
from scaling.valuation.collection.rows import GroupRows, read_rows, why_not
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from scaling.fitting.newton import Progress
    from scaling.results import Fit

Array = NDArray[np.float64]

FORMS = ("power_floor", "power")
AUTO = "auto"
_LEAST = {"power_floor": 4, "power": 3}  # different sizes: one more than parameters
_LEAST_GROUPS = 3


@dataclass(frozen=True)
class LearningCurve:
    """The learning curve of one group.

    Parameters
    ----------
    group : str
        Its name.
    fit : Fit
        Of ``power_floor`` or ``power`` over the number of examples, by squared residuals of logarithms.
    x, y : ndarray (n,)
        Examples, and the error or loss.
    """

    group: str
    fit: Fit
    x: Array
    y: Array

    @property
    def have(self) -> float:
        """Examples at hand: the most that were measured with."""
        return float(self.x.max())

    @property
    def parameters(self) -> Array:
        """E, A and alpha, shape (3,); E is 0 for ``power``."""
        return np.asarray(self._rows(self.fit.theta[None])[0])

    @property
    def draws(self) -> Array:
        """The same of the replicates, shape (B, 3)."""
        return self._rows(self.fit.replicates) if len(self.fit.replicates) else np.empty((0, 3))

    def _rows(self, theta: Array) -> Array:
        if self.fit.law.name == "power":
            return np.column_stack([np.zeros(len(theta)), theta])
        return np.asarray(theta, float)


@dataclass(frozen=True)
class LearningCurves:
    """Learning curves of several groups.

    Parameters
    ----------
    curves : dict of str to LearningCurve
        By group.
    refused : dict of str to str
        Groups whose curve was not fitted, and why.
    higher_is_better : bool
        Whether what was measured was turned into an error, 1 - value.
    pool : Pool, optional
        What the groups say together of their exponents, where they share it.
    seed : int
        Of the replicates.
    chosen : dict of str to dict
        With ``auto``: what each form missed by at the largest sizes, held out, as mean size of the error of logarithms.
    """

    curves: dict[str, LearningCurve]
    refused: dict[str, str]
    higher_is_better: bool
    pool: Pool | None
    seed: int
    chosen: dict[str, dict[str, float]] = field(default_factory=dict)

    def __getitem__(self, group: str) -> LearningCurve:
        if group not in self.curves:
            raise UsageError(f"there is no learning curve of '{group}'", hint=did_you_mean(group, self.curves))
        return self.curves[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self.curves)

    def __len__(self) -> int:
        return len(self.curves)

    @property
    def verdict(self) -> str:
        """The worst of the curves' verdicts."""
        words = {curve.fit.verdict for curve in self.curves.values()}
        return next(word for word in (NOT_IDENTIFIED, WEAK, OK) if word in words)

    @property
    def measure(self) -> str:
        """What the curves are of, in words."""
        return "error = 1 - value" if self.higher_is_better else "as measured, lower is better"

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Return plain data: the curves of all groups, those refused, and what they share."""
        shared = None if self.pool is None else {"mean": self.pool.mean, "spread": self.pool.spread}
        return {
            "measure": self.measure,
            "curves": [curve_row(curve, level) for curve in self.curves.values()],
            "refused": dict(self.refused),
            "shared_exponent": shared,
            "chosen": plain(self.chosen),
            "seed": self.seed,
            "verdict": self.verdict,
        }

    def __repr__(self) -> str:
        lines = [f"learning curves of {format_plural(len(self), 'group')} ({self.measure})"]
        for curve in self.curves.values():
            row = curve_row(curve, 0.9)
            floor = f"{format_number(row['E'])} + " if row["law"] == "power_floor" else ""
            ends = format_interval(row["alpha_low"], row["alpha_high"])
            lines.append(
                f"  {curve.group}: {floor}{format_number(row['A'])}/n^{format_number(row['alpha'])} "
                f"(exponent {ends}), {row['sizes']} sizes to {format_count(row['have'])}; {row['verdict']}"
            )
        if self.pool is not None:
            spread = f"{format_number(self.pool.mean, 3)}, spread {format_number(self.pool.spread, 2)}"
            lines.append(f"exponents are taken as alike: around {spread} from group to group")
        lines += [f"not fitted: {group} {why}" for group, why in self.refused.items()]
        return "\n".join(lines)


def curve_row(curve: LearningCurve, level: float) -> dict[str, Any]:
    """Return a learning curve as plain data."""
    floor, size, alpha = curve.parameters.tolist()
    low, high = curve.fit.interval("alpha", level)
    return {
        "group": curve.group,
        "law": curve.fit.law.name,
        "E": floor,
        "A": size,
        "alpha": alpha,
        "alpha_low": low,
        "alpha_high": high,
        "level": level,
        "sizes": len(np.unique(curve.x)),
        "rows": len(curve.x),
        "have": curve.have,
        "verdict": curve.fit.verdict,
        "reasons": list(curve.fit.diagnostics.reasons),
    }


def learning_curves(
    n_examples: ArrayLike,
    error_or_loss: ArrayLike,
    group: Sequence[Any] | ArrayLike | None = None,
    *,
    law: str = "power_floor",
    pool: bool = False,
    higher_is_better: bool = False,
    bootstrap: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> LearningCurves:
    """Fit a learning curve to each group.

    Parameters
    ----------
    n_examples : array_like (n,)
        Examples of the group that were trained on.
    error_or_loss : array_like (n,)
        What was measured with them on the group's own test set; lower is better.
    group : sequence (n,), optional
        Group or source of each row; one where missing.
    law : {'power_floor', 'power', 'auto'}, default 'power_floor'
        E + A/n^alpha, A/n^alpha, or for each group the one that better forecasts its largest sizes, held out.
    pool : bool, default False
        Whether groups share what they know of their exponents, which are then taken as normal around a common one; for
        groups of few sizes. Floors and amplitudes stay each group's own.
    higher_is_better : bool, default False
        Whether a share of right answers was measured; the curve is then that of the error, 1 - value.
    bootstrap : int, default 200
        Replicates of each curve.
    seed : int, default 0
        Of the replicates; each group has a seed of its own, made of this one and its name.
    progress : callable, optional
        Told how many groups are done, and of how many.

    Returns
    -------
    LearningCurves
        Without those of groups with too few sizes (4 for ``power_floor``, 3 for ``power`` and where exponents are
        shared), or whose curve rises; `LearningCurves.refused` says which and why.

    Raises
    ------
    InputDataError
        For rows that are no measurements, and where no group is left.
    UsageError
        For settings that make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> n = np.geomspace(100, 12800, 8)
    >>> found = learning_curves(n, 0.05 + 2 / n**0.5, bootstrap=0)
    >>> round(found["all"].fit.estimates["alpha"], 6)
    0.5
    """
    if law not in (*FORMS, AUTO):
        raise UsageError(f"there is no form '{law}' of a learning curve", hint=did_you_mean(law, (*FORMS, AUTO)))
    if pool and law != "power_floor":
        raise UsageError(
            "groups share their exponents under the law power_floor alone",
            hint="Leave the law out, or let groups share nothing.",
        )
    count, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    parts = read_rows(n_examples, error_or_loss, group, higher_is_better)
    least = LEAST_POOLED if pool else min(_LEAST.values()) if law == AUTO else _LEAST[law]
    refused = {name: why for name, rows in parts.items() if (why := why_not(rows, least, pool)) is not None}
    kept = {name: rows for name, rows in parts.items() if name not in refused}
    if not kept:
        name, why = next(iter(refused.items()))
        raise InputDataError(f"no learning curve can be fitted; {name} {why}")
    if pool and len(kept) < _LEAST_GROUPS:
        raise UsageError(
            f"{format_plural(len(kept), 'group')} cannot say how far exponents of groups lie apart; it takes "
            f"{_LEAST_GROUPS} at least",
            hint="Let groups share nothing.",
        )
    together = pool_exponents([(rows.x, rows.y) for rows in kept.values()]) if pool else None
    curves, chosen = {}, {}
    for i, (name, rows) in enumerate(kept.items()):
        if together is not None:
            fit = pooled_fit(rows, together, i, count, seed)
        else:
            form, missed = _choose(rows) if law == AUTO else (law, {})
            if missed:
                chosen[name] = missed
            fit = own_fit(rows, form, count, seed)
        curves[name] = LearningCurve(name, fit, rows.x, rows.y)
        if progress is not None:
            progress(i + 1, len(kept))
    return LearningCurves(curves, refused, higher_is_better, together, seed, chosen)


def _choose(rows: GroupRows) -> tuple[str, dict[str, float]]:
    """Choose the form that better forecasts the largest sizes; the simpler one where nothing can be held out."""
    from scaling.valuation.collection.held_out import miss_of

    missed = {form: miss_of(rows, form) for form in FORMS}
    if not all(np.isfinite(v) for v in missed.values()):
        return "power", {}
    return ("power_floor" if missed["power_floor"] < missed["power"] else "power"), missed


def restore(
    fits: Mapping[str, Fit], rows: Mapping[str, tuple[Array, Array]], higher_is_better: bool, seed: int
) -> LearningCurves:
    """Put saved fits together again as learning curves; what they share stays in the fits' settings."""
    curves = {name: LearningCurve(name, fit, *rows[name]) for name, fit in fits.items()}
    return LearningCurves(curves, {}, higher_is_better, None, seed)
