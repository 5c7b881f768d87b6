"""The noise scale as training goes on: in windows of steps or tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.noise import NoiseScale, noise_scale
from scaling.batch_size.noise_rows import FEWEST_ROWS, as_floats, noise_rows
from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole
from scaling.formatting import format_number, format_plural
from scaling.inputs import as_number
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

_COLUMNS = ("sqnorm_small", "sqnorm_big", "batch_small", "batch_big")
_FEWEST_WINDOWS = 3  # one more than the law has parameters


@dataclass(frozen=True)
class NoiseWindow:
    """The noise scale of one stretch of training.

    Parameters
    ----------
    first, last : float
        Time of the first and of the last row in the window, steps or tokens.
    centre : float
        Their mean over the rows.
    noise : NoiseScale
        Of the rows of the window.
    """

    first: float
    last: float
    centre: float
    noise: NoiseScale


@dataclass(frozen=True)
class NoiseScaleCurve:
    """The noise scale against time.

    Parameters
    ----------
    windows : tuple of NoiseWindow
        In order of time; empty stretches and those of a single row are not among them.
    n_skipped : int
        Stretches that were left out for that.
    time : str
        What time counts: ``steps`` or ``tokens``.
    """

    windows: tuple[NoiseWindow, ...]
    n_skipped: int
    time: str

    @property
    def usable(self) -> tuple[NoiseWindow, ...]:
        """Windows that a law of the noise scale can use: those with a bounded interval, after the start."""
        return tuple(w for w in self.windows if w.noise.verdict == "ok" and w.noise.estimate > 0 and w.centre > 0)

    @property
    def weights(self) -> Array:
        """Weight of each usable window in a law, of mean 1: the inverse of its squared relative error."""
        relative = np.array([w.noise.standard_error / w.noise.estimate for w in self.usable])
        weights = 1 / relative**2 if np.all(relative > 0) else np.ones(len(relative))  # exact norms have no error
        return np.asarray(weights / weights.mean())

    def fit(self, *, bootstrap: int = 0, seed: int = 0) -> Fit:
        """Fit the law ``noise_scale`` of the book, ``k * T**q``, to the windows.

        Windows with a bounded interval count, each by the inverse of its squared relative error.

        Parameters
        ----------
        bootstrap : int, default 0
            Replicates; 0 for intervals from the covariance.
        seed : int, default 0
            Of the bootstrap.

        Returns
        -------
        Fit
            Of squared residuals of logarithms.

        Raises
        ------
        InputDataError
            With fewer than three such windows.
        """
        from scaling.fitting.fit import fit

        usable = self.usable
        if len(usable) < _FEWEST_WINDOWS:
            raise InputDataError(
                f"{format_plural(len(usable), 'window')} of {len(self.windows)} with a bounded noise scale; "
                f"a law of it over {self.time} needs {_FEWEST_WINDOWS}",
                hint="Take wider windows, so that each tells its gradient apart from zero.",
            )
        return fit(
            "noise_scale",
            {"T": [w.centre for w in usable]},
            [w.noise.estimate for w in usable],
            objective="squared",
            weights=self.weights,
            bootstrap=bootstrap,
            seed=seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data.

        Returns
        -------
        dict of str to object
        """
        windows = [
            {"first": w.first, "last": w.last, "centre": w.centre, "noise_scale": w.noise.to_dict()}
            for w in self.windows
        ]
        table: dict[str, Any] = plain({"time": self.time, "n_skipped": self.n_skipped, "windows": windows})
        return table


def noise_scale_windows(
    time: ArrayLike,
    sqnorm_small: ArrayLike,
    sqnorm_big: ArrayLike,
    batch_small: ArrayLike,
    batch_big: ArrayLike,
    *,
    count: int | None = None,
    width: float | None = None,
    level: float = 0.9,
    block_length: int | None = None,
    time_unit: str = "steps",
    unit: str = "samples",
) -> NoiseScaleCurve:
    """Estimate the noise scale in windows of training.

    Parameters
    ----------
    time : array_like (n,)
        Steps or tokens so far, one a row; rows may come in any order.
    sqnorm_small, sqnorm_big, batch_small, batch_big
        As in `noise_scale`.
    count : int, optional
        Windows of as many rows each as evenly as can be; 10 where neither is given.
    width : float, optional
        Windows of this many steps or tokens, counted from 0.
    level : float, default 0.9
        Nominal coverage of each interval; the windows together are covered less often.
    block_length : int, optional
        As in `noise_scale`, chosen in each window where missing.
    time_unit : str, default 'steps'
        What `time` counts.
    unit : str, default 'samples'
        What the batch sizes count.

    Returns
    -------
    NoiseScaleCurve

    Raises
    ------
    InputDataError
        If no window holds two rows, or as `noise_scale`.
    UsageError
        If both `count` and `width` are given, or one is not positive.
    """
    if count is not None and width is not None:
        raise UsageError("windows have a count or a width, not both", hint="Leave one out.")
    t = as_floats(time, "time", dimensions=1)
    columns = noise_rows(sqnorm_small, sqnorm_big, batch_small, batch_big, also={"time": t})
    order = np.argsort(columns["time"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    t = columns["time"]
    groups: Sequence[NDArray[np.int64]]
    if width is not None:
        if not 0 < as_number(width) < math.inf:
            raise UsageError(f"a window of {width} {time_unit} holds nothing", hint="Take a positive width.")
        _, starts = np.unique(np.floor(t / width), return_index=True)
        groups = np.split(np.arange(len(t)), starts[1:])
    else:
        count = 10 if count is None else whole(count, "the number of windows")
        if count < 1:
            raise UsageError(f"{count} windows hold nothing", hint="Take 1 or more.")
        groups = np.array_split(np.arange(len(t)), count)
    windows = []
    for rows in groups:
        if len(rows) < FEWEST_ROWS:
            continue
        small, big, b, B = (columns[name][rows] for name in _COLUMNS)
        noise = noise_scale(small, big, b, B, level, block_length=block_length, unit=unit)
        inside = t[rows]
        windows.append(NoiseWindow(float(inside[0]), float(inside[-1]), float(inside.mean()), noise))
    if not windows:
        raise InputDataError("no window holds two rows", hint="Take fewer or wider windows.")
    return NoiseScaleCurve(tuple(windows), len(groups) - len(windows), time_unit)


def describe_growth(curve: NoiseScaleCurve) -> str:
    """Say in a sentence how the noise scale changed over training.

    Parameters
    ----------
    curve : NoiseScaleCurve
        Windows of one run.

    Returns
    -------
    str
    """
    first, last = curve.windows[0].noise, curve.windows[-1].noise
    if first.verdict != "ok" or last.verdict != "ok":
        return f"The noise scale over {curve.time} is not bounded at both ends, so its growth is not known."
    apart = first.high < last.low or last.high < first.low
    return (
        f"From {format_number(curve.windows[0].centre)} to {format_number(curve.windows[-1].centre)} {curve.time} the "
        f"noise scale went from {format_number(first.estimate)} to {format_number(last.estimate)} {first.unit}"
        + ("." if apart else ", and the intervals overlap.")
    )
