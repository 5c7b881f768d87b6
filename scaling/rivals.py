"""Another law for the same rows, with the weight that the back-test gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.inputs import check_inputs
from scaling.laws.law import Law
from scaling.serial import number

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rival:
    """A law that was fitted to the same rows and judged by the same back-test.

    Parameters
    ----------
    law : Law
        Its form.
    estimates : dict of str to float
        Natural units, from all rows.
    weight : float
        Share of the trust it deserves, between 0 and 1. The weights of the rivals and of the fit that carries them add
        up to 1.
    score : float
        Its error in the back-test, as of `scaling.selection.selected.Selection.table`.
    objective : str
        What was minimised.
    trim : str
        Which rows were left out.
    role : str
        ``form``: another form of the law. ``floor_x`` or ``floor_y``: the same form with a floor that was given moved
        to an end of its 68 % interval; such a one has no weight among the forms.
    """

    law: Law
    estimates: dict[str, float]
    weight: float
    score: float
    objective: str
    trim: str = "none"
    role: str = "form"

    def evaluate(self, inputs: Mapping[str, ArrayLike]) -> Array:
        """Work the law out at inputs (m,): shape (m,), NaN outside its domain."""
        from scaling.fitting.compile import compile_value

        kernel = compile_value(self.law, (False,) * len(self.law.parameters))
        theta = np.array([[self.estimates[name] for name in self.law.parameter_names]])
        return np.asarray(kernel.value(theta, kernel.prepare(check_inputs(self.law, inputs)))[0])

    def counts_at(self, level: float) -> bool:
        """Whether the weight is at least 1 - `level`, so that an interval of that level may not leave the law out."""
        return self.weight >= (1 - level) * (1 - 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "law": self.law.to_dict(),
            "estimates": dict(self.estimates),
            "weight": self.weight,
            "score": self.score,
            "objective": self.objective,
            "trim": self.trim,
            "role": self.role,
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Rival:
        """Read plain data back."""
        return cls(
            law=Law.from_dict(table["law"]["name"], table["law"]),
            estimates={k: number(v) for k, v in table["estimates"].items()},
            weight=number(table["weight"]),
            score=number(table["score"]),
            objective=str(table["objective"]),
            trim=str(table["trim"]),
            role=str(table.get("role", "form")),
        )
