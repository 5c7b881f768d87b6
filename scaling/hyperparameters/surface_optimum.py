"""What a law of the whole loss surface says is the best setting of one size and one number of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scaling.formatting import format_count, format_count_interval, format_interval, format_number


@dataclass(frozen=True)
class SurfaceOptimum:
    """The setting of the lowest loss.

    Parameters
    ----------
    lr, batch : float
        Peak learning rate, and tokens a step.
    loss : float
        There.
    lr_interval, batch_interval : (float, float)
        Low and high, of the law's parameters alone.
    level : float
        Nominal coverage of both.
    """

    lr: float
    batch: float
    loss: float
    lr_interval: tuple[float, float]
    batch_interval: tuple[float, float]
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "lr": self.lr, "batch": self.batch, "loss": self.loss, "lr_interval": list(self.lr_interval),
            "batch_interval": list(self.batch_interval), "level": self.level,
        }  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"lr {format_number(self.lr)} ({format_interval(*self.lr_interval)}), "
            f"batch {format_count(self.batch)} ({format_count_interval(*self.batch_interval)}) tokens a step, "
            f"loss {format_number(self.loss)}"
        )
