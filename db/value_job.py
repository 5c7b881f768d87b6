"""What a method that values examples is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from db.value_data import Data
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import Store

    Floats = NDArray[np.float64]
    Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What is to be valued, and with what.

    Parameters
    ----------
    store : Store or None
        Where sets are.
    data : Data
        The examples.
    options : dict
        Of the method.
    labels, test, test_labels, queries, probabilities : str or None
        Files, columns and sets that were named.
    roles : mapping of str to str
        Which logged loss is which: what the method calls it, and its role in the set.
    seed : int
        Of what is drawn.
    progress : callable or None
        Called with what is done and of all.
    """

    store: Store | None
    data: Data
    options: dict[str, Any]
    labels: str | None = None
    test: str | None = None
    test_labels: str | None = None
    queries: str | None = None
    probabilities: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    progress: Progress | None = None

    def losses(self, what: str, column: int = 0) -> Floats:
        """Give logged losses, shape (n,) or (n, checkpoints): of a role, or a column of a file of losses."""
        if self.data.set_name is None or self.store is None:
            table = np.asarray(self.data.rows.array(check=False), np.float64)
            if table.shape[1] != 2:
                raise InputDataError(
                    f"{self.data.name} has {format_plural(table.shape[1], 'column')}; two losses an example are "
                    "expected, in the order in which the method names them.",
                    "Name the columns of a Parquet file with --column, or read the losses into a set.",
                )
            return np.array(table[:, column])
        return np.asarray(self._role(what).values, np.float64)

    def checkpoints(self, what: str) -> Floats:
        """Give losses of one role at all its checkpoints, shape (n, c)."""
        if self.data.set_name is None or self.store is None:
            return np.asarray(self.data.rows.array(check=False), np.float64)
        found = np.asarray(self._role(what).values, np.float64)
        return found[:, None] if found.ndim == 1 else found

    def final(self, what: str, column: int = 0) -> Floats:
        """Give one loss an example: that of the last checkpoint where there are several."""
        found = self.losses(what, column)
        return found if found.ndim == 1 else found[:, -1]

    def _role(self, what: str) -> Any:
        from db.example_read import read_losses

        assert self.store is not None
        role = self.roles.get(what, what)
        try:
            return read_losses(self.store, str(self.data.set_name), role)
        except UsageError as error:
            hint = f"{error.hint or ''} Name it: --role {what}=ROLE".strip()
            raise UsageError(error.message, hint) from error

    def role_hashes(self, *whats: str) -> list[Any]:
        """What identifies the roles that are read."""
        return [f"{what}={self.roles.get(what, what)}" for what in whats]


@dataclass(frozen=True)
class Found:
    """Values of all examples.

    Parameters
    ----------
    values : ndarray (n,)
        One an example.
    facts : dict
        What the method says besides; plain data.
    read : str
        Hash of all that was read beside the data.
    notes : list of str
        What a reader should know.
    batch : ndarray of int, optional
        Examples that the method itself takes.
    """

    values: Floats
    facts: dict[str, Any]
    read: str
    notes: list[str] = field(default_factory=list)
    batch: NDArray[np.intp] | None = None
