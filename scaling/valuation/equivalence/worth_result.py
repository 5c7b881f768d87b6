"""A loss in random tokens: the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.formatting import (
    format_count,
    format_count_interval,
    format_interval,
    format_number,
    format_percent,
)

BEYOND = "worth more than any amount of random data under this law"


@dataclass(frozen=True)
class Worth:
    """A loss in random tokens.

    Parameters
    ----------
    d_eq : float
        Tokens of random data with that loss; infinite at or below the asymptote of the law, 0 above its loss without
        data.
    interval : (float, float)
        NaN where it is not known; an upper end that is infinite says that the loss may lie below the asymptote.
    level : float
        Nominal coverage.
    loss, loss_se : float
        What was measured, and its standard error as it was counted.
    loss_se_from : str
        ``given``, or ``scatter of the runs`` that the law was fitted to.
    asymptote : float
        Loss that no number of tokens takes away at this size.
    n_params : float or None
        N.
    n_tokens : float or None
        Tokens that were used to get the loss.
    ratio : float
        ``d_eq/n_tokens``; NaN where these are not known.
    ratio_interval : (float, float)
        Of it.
    endless_share : float
        Share of the bootstrap replicates under which no amount of random data is enough; NaN without replicates.
    extrapolation_factor : float
        How far `d_eq` lies beyond the data of the law.
    method : str
        How the interval was made.
    verdict : str
        That of the fit, or ``extrapolating x37``.
    law : str
        Name of the law.
    seed : int
        Of the noise of the loss.
    of : str
        ``random tokens``, or which tokens where the law is one of several sources.
    output : str
        What the law predicts, such as ``loss`` or ``error``.
    """

    d_eq: float
    interval: tuple[float, float]
    level: float
    loss: float
    loss_se: float
    loss_se_from: str
    asymptote: float
    n_params: float | None
    n_tokens: float | None
    ratio: float
    ratio_interval: tuple[float, float]
    endless_share: float
    extrapolation_factor: float
    method: str
    verdict: str
    law: str
    seed: int
    of: str = "random tokens"
    output: str = "loss"

    @property
    def words(self) -> str:
        """The answer in a sentence or three."""
        where = "" if self.n_params is None else f" at {format_count(self.n_params)} parameters"
        article = "An" if self.output[0] in "aeiou" else "A"
        head = f"{article} {self.output} of {format_number(self.loss)}{where} is "
        low, high = self.interval
        if np.isinf(self.d_eq):
            said = f"{head}{BEYOND}: what no data take away is {format_number(self.asymptote)}."
            return said if np.isnan(low) or np.isinf(low) else f"{said} At least {format_count(low)} tokens."
        if self.d_eq == 0:
            return f"{head}no better than without any data under this law: it is worth nothing."
        ends = f"{format_number(100 * self.level)} % interval {format_count_interval(low, high)}"
        out = [f"{head}worth {format_count(self.d_eq)} {self.of} ({ends})."]
        if self.n_tokens is not None:
            ratio = f"{format_number(self.ratio, 3)} times the {format_count(self.n_tokens)} that it was trained on"
            out.append(f"That is {ratio} ({format_interval(*self.ratio_interval)}).")
        if np.isinf(high):
            out.append("The interval has no end: the loss may be one that no amount of random data reaches.")
        return " ".join(out)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        names = [name for name in self.__dataclass_fields__ if "interval" not in name]
        out: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {
                "d_eq_low": self.interval[0],
                "d_eq_high": self.interval[1],
                "ratio_low": self.ratio_interval[0],
                "ratio_high": self.ratio_interval[1],
                "words": self.words,
            }
        )
        return out

    def __repr__(self) -> str:
        share = "" if not self.endless_share > 0 else f"; without end in {format_percent(self.endless_share)} of them"
        noise = f"standard error of the loss {format_number(self.loss_se, 2)} ({self.loss_se_from})"
        return "\n".join(
            [self.words, f"  law: {self.law}; verdict: {self.verdict}", f"  interval: {self.method}{share}; {noise}"]
        )
