"""A part of the data that was chosen, beside random parts of its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_data import Data
from db.value_scores import band_dict
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.valuation import EquivalentSize
    from scaling.valuation.appraisal.band import Band
    from scaling.valuation.choosing.selected import Selected

SHOWN = 10


@dataclass(frozen=True)
class Selection:
    """A part of the data that was chosen.

    Parameters
    ----------
    data : Data
        What it was chosen from.
    selected : Selected
        The part, with its certificate and guarantee.
    streamed : bool
        Whether the data came a shard at a time.
    band : Band or None
        Scores of random subsets of the same size.
    worth : EquivalentSize or None
        Random examples that score the same.
    output, name : str or None
        Where it was written, and what it is called in the store.
    ids : tuple of str or None
        Identifiers of the members.
    inputs_sha256 : str
        Of all that was read.
    notes : tuple of str
        What a reader should know.
    command : str or None
        That chooses it again.
    """

    data: Data
    selected: Selected
    streamed: bool
    band: Band | None
    worth: EquivalentSize | None
    output: str | None
    name: str | None
    ids: tuple[str, ...] | None
    inputs_sha256: str
    notes: tuple[str, ...]
    command: str | None

    @property
    def z(self) -> float:
        """How many standard deviations its score lies above random subsets."""
        return float("nan") if self.band is None else self.band.z(self.selected.score)

    def first(self) -> list[dict[str, Any]]:
        """Return the first members, as `members` has them."""
        return self.members(SHOWN)

    def members(self, most: int | None = None) -> list[dict[str, Any]]:
        """Return members in order, all or the first: rank, position, identifier, gain, share of the value so far."""
        total = float(self.selected.gains.sum())
        so_far = np.cumsum(self.selected.gains[:most])
        return [
            {
                "rank": rank,
                "position": int(index),
                "example_id": None if self.ids is None else self.ids[rank],
                "gain": float(gain),
                "share": float(so_far[rank] / total) if total > 0 else None,
            }
            for rank, (index, gain) in enumerate(
                zip(self.selected.indices[:most], self.selected.gains[:most], strict=True)
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        own = {key: value for key, value in self.selected.to_dict().items() if key != "notes"}
        made: dict[str, Any] = plain(
            self.data.to_dict()
            | own
            | {
                "streamed": self.streamed,
                "random": band_dict(self.band),
                "z": self.z,
                "worth": None if self.worth is None else self.worth.to_dict(),
                "first": self.first(),
                "output": self.output,
                "name": self.name,
                "inputs_sha256": self.inputs_sha256,
                "notes": list(self.notes),
                "command": self.command,
            }
        )
        return made
