"""What a report needs to know beyond the fit itself. Whoever has the store fills this in; no clock is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scaling.alternatives import Alternative
from scaling.errors import UsageError
from scaling.results import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """One forecast that is asked for.

    Parameters
    ----------
    label : str
        What the reader calls it; may be empty, its inputs then name it.
    inputs : mapping of str to float
        One value for each input of the law, natural units.
    """

    label: str
    inputs: Mapping[str, float]


@dataclass(frozen=True)
class RefusedRow:
    """A row that was read but not used.

    Parameters
    ----------
    file : str
        Name of the source.
    line : int or None
        Line in it, where it has lines.
    reason : str
        Why it was left out.
    """

    file: str
    line: int | None
    reason: str


@dataclass(frozen=True)
class Source:
    """A file the rows came from.

    Parameters
    ----------
    file : str
        Its name.
    sha256 : str
        Of its content, hexadecimal.
    rows : int
        Rows taken from it.
    imported_at : str
        When, as the store wrote it down.
    """

    file: str
    sha256: str
    rows: int
    imported_at: str


@dataclass(frozen=True)
class ReportInput:
    """Everything the page shows.

    Parameters
    ----------
    name : str
        The name under which the fit is saved.
    fit : Fit
        The fit.
    inputs : dict of str to ndarray (n,)
        The rows used: one column for each input of the law, natural units, in the order of ``fit.residuals``.
    observed : ndarray (n,)
        What the law predicts, as it was observed in each row.
    run_ids : tuple of str (n,)
        Which run each row is of.
    targets : tuple of Target
        Forecasts asked for; where there are none the page chooses one, and says so.
    budgets : tuple of float
        Compute budgets of the allocation table, FLOP; where there are none the page takes decades above the data.
    alternatives : tuple of Alternative
        The same rows under other objectives and other laws.
    refused : tuple of RefusedRow
        Rows read but not used.
    excluded_counts : dict of str to int
        How many rows each filter left out, by its words.
    sources : tuple of Source
        The files the rows came from.
    command, sql : str
        What was typed, and the query that selected the rows.
    data_sha256 : str
        Hash of the selected rows.
    versions : dict of str to str
        Software, by name.
    store : str
        Name of the store.
    created_at : str
        When the fit was saved.
    simulated : bool
        Whether the run logs come from a simulator.
    level : float
        Nominal coverage of every interval on the page, unless it says otherwise.
    where : str
        The condition that selected the rows, that of a trimming left out; empty for all rows.
    trim : str
        The trimming that the choice of a law came with: ``none``, ``smallest 25 %``, ``highest 10 %`` or the like.
    untied : Fit, optional
        Where the law fixes how its optimum grows with compute: the same rows fitted by a law that estimates it, to
        which the intervals of the optimum reach; see `scaling.allocation.ties.fit_untied`.
    no_untied : str
        Why there is no such fit although the law fixes the growth, in a sentence; else empty.

    Raises
    ------
    UsageError
        Where the columns do not match the law or the rows of the fit, a target lacks an input, the level is none, or
        `untied` is not of the same inputs and as many rows.
    """

    name: str
    fit: Fit
    inputs: dict[str, Array]
    observed: Array
    run_ids: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    budgets: tuple[float, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    refused: tuple[RefusedRow, ...] = ()
    excluded_counts: dict[str, int] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    command: str = ""
    sql: str = ""
    data_sha256: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    store: str = ""
    created_at: str = ""
    simulated: bool = False
    level: float = 0.95
    where: str = ""
    trim: str = "none"
    untied: Fit | None = None
    no_untied: str = ""

    def __post_init__(self) -> None:
        law, n = self.fit.law, self.fit.n_obs
        if set(self.inputs) != set(law.inputs):
            raise UsageError(
                f"the law '{law.name}' has the inputs {', '.join(law.inputs)}, "
                f"but the report was given {', '.join(self.inputs) or 'none'}"
            )
        object.__setattr__(self, "inputs", {k: np.asarray(self.inputs[k], float) for k in law.inputs})
        for name in law.inputs:
            if self.inputs[name].shape != (n,):
                raise UsageError(f"input '{name}' has shape {self.inputs[name].shape}, but the fit has {n} rows")
        object.__setattr__(self, "observed", np.asarray(self.observed, float))
        for what, length in (("observed values", len(self.observed)), ("run ids", len(self.run_ids))):
            if length != n:
                raise UsageError(f"there are {length} {what}, but the fit has {n} rows")
        for target in self.targets:
            if set(target.inputs) != set(law.inputs):
                raise UsageError(
                    f"the target '{target.label}' gives {', '.join(target.inputs) or 'nothing'}",
                    hint=f"The law '{law.name}' needs {', '.join(law.inputs)}.",
                )
        free = self.untied
        if free is not None and (set(free.law.inputs) != set(law.inputs) or free.n_obs != n):
            raise UsageError(
                f"the law '{free.law.name}' was fitted to {free.n_obs} rows of {', '.join(free.law.inputs)}, "
                f"but the report is of {n} rows of {', '.join(law.inputs)}"
            )
        if not 0 < self.level < 1:
            raise UsageError(f"a level lies between 0 and 1, not at {self.level}", hint="0.9 stands for 90 %.")
