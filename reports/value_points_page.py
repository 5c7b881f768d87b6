"""Values of examples on a page: how they are spread, which are worth most and least, and what that says to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reports.batch_page import Section, name_cell
from reports.tables import NOTHING, Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.value_page import Part
from reports.value_points_figure import values_figure
from reports.words import printable
from scaling.formatting import format_number, format_percent, format_plural
from scaling.verdicts import OK, WEAK

if TYPE_CHECKING:
    from reports.inputs import Source

Array = NDArray[np.float64]
SIGNED = ("knn_shapley", "knn_banzhaf", "knn_leave_one_out", "color_filter", "learnability", "alignment")
_BELOW = {
    "knn_shapley": "the prediction of their neighbours is better without them",
    "knn_banzhaf": "the prediction of their neighbours is better without them",
    "knn_leave_one_out": "the prediction is better without them",
    "color_filter": "a model of the target finds them harder than the prior does",
    "learnability": "the reference finds them harder than the learner does",
    "alignment": "their losses fall where the validation loss rises",
}
_TOP = 0.1
_ENDS = 10  # classes of either end that the table lists where they are many
_ALWAYS = 5  # columns that every method has


@dataclass(frozen=True)
class ValuesPage:
    """Values of examples.

    Parameters
    ----------
    name, set_name, method : str
    values : ndarray (n,)
        NaN or infinite where an example has none.
    unit : str
    what : str
        What the method says, in a line.
    end : str or None
        ``highest`` where more is better to have; None where that depends.
    options : mapping
        Settings.
    top, bottom : tuple of mapping
        ``item value label grp``, the highest first, and the lowest first.
    groups : mapping of str to ndarray
        Values of each class, or group; `group_word` says which.
    group_word : str
    seed, command, sha256, created_at, source
        As of `Part`.
    """

    name: str
    set_name: str
    method: str
    values: Array
    unit: str = ""
    what: str = ""
    end: str | None = "highest"
    options: Mapping[str, Any] = field(default_factory=dict)
    top: tuple[Mapping[str, Any], ...] = ()
    bottom: tuple[Mapping[str, Any], ...] = ()
    groups: Mapping[str, Array] = field(default_factory=dict)
    group_word: str = "class"
    seed: int | None = None
    command: str = ""
    sha256: str = ""
    created_at: str = ""
    source: Source | None = None

    @cached_property
    def finite(self) -> Array:
        """Values that are numbers, ascending."""
        return np.sort(self.values[np.isfinite(self.values)])

    @property
    def signed(self) -> bool:
        """Whether values below 0 mean something of their own."""
        return self.method in SIGNED

    @property
    def below(self) -> int:
        """How many lie below 0."""
        return int(np.sum(self.finite < 0))

    @property
    def top_share(self) -> float:
        """Share of all positive value that the best tenth holds; NaN where nothing is positive."""
        positive = np.clip(self.finite, 0, None)
        total = positive.sum()
        return float(positive[-max(1, round(_TOP * len(positive))) :].sum() / total) if total > 0 else float("nan")

    @property
    def unit_words(self) -> str:
        """What values are called, with their unit."""
        return f"{self.method} value ({self.unit})" if self.unit else f"{self.method} value"

    def made_of(self) -> str:
        """Say what stands behind numbers."""
        plain = {k: v for k, v in self.options.items() if isinstance(v, int | float | str | bool)}
        own = ", ".join(f"{k} {v}" for k, v in plain.items() if k not in ("plan", "shards"))
        said = f" ({printable(own)})" if own else ""
        of = f"{format_plural(len(self.values), 'example')} of {printable(self.set_name)}"
        return f"Method: {self.method}{said}; intervals: none, values are of these data; data: {of}."


def values_part(page: ValuesPage) -> Part:
    """Write the part of a valuation of examples.

    Parameters
    ----------
    page : ValuesPage
        The values.

    Returns
    -------
    Part
    """
    n, missing = len(page.values), len(page.values) - len(page.finite)
    reasons = []
    if missing:
        verb = "has" if missing == 1 else "have"
        reasons.append(f"{format_plural(missing, 'example')} of {n} {verb} no finite value.")
    if len(page.finite) and page.finite[0] == page.finite[-1]:
        reasons.append("All values are the same: they tell no example from another.")
    sections = (
        Section("values", "How value is spread", "Values", parts=(values_figure(page), _groups_table(page))),
        Section("examples", "The examples worth most and least", "Examples",
                parts=(_items_table(page, "The highest values", page.top),
                       _items_table(page, "The lowest values", page.bottom))),
    )  # fmt: skip
    return Part(
        kind="values", name=page.name, answer=_answer(page), made=page.made_of(), verdict=WEAK if reasons else OK,
        reasons=tuple(reasons), checks=tuple(_checks(page, missing)), sections=sections,
        methods=(("Values", f"{page.method}: {page.what or 'a value of each example'}."),
                 ("Unit of the values", page.unit or "none")),
        machine={"method": page.method, "unit": page.unit, "n": n, "n_finite": len(page.finite), "below_0": page.below,
                 "top_tenth_share": page.top_share, "quantiles": _quantiles(page)},
        command=page.command, sha256=page.sha256, created_at=page.created_at,
        sources=(page.source,) if page.source else (),
    )  # fmt: skip


def _quantiles(page: ValuesPage) -> dict[str, float]:
    if not len(page.finite):
        return {}
    return {str(q): float(np.quantile(page.finite, q)) for q in (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)}


def _answer(page: ValuesPage) -> Markup:
    n = format_plural(len(page.values), "example")
    if not len(page.finite):
        return Markup("<strong>No example</strong> of {} has a finite value by {}.").format(n, page.method)
    if page.finite[0] == page.finite[-1]:
        return Markup("<strong>All values are {}</strong>: {} tells none of {} from another.").format(
            format_number(float(page.finite[0])), page.method, n)  # fmt: skip
    if page.signed and page.below:
        share = format_percent(page.below / len(page.finite))
        return Markup("<strong>{} of {} ({}) are worth less than nothing</strong> by {}: {}. The best tenth holds {} "
                      "of all value above 0.").format(page.below, n, share, page.method, _BELOW[page.method],
                      format_percent(page.top_share))  # fmt: skip
    if page.signed:
        return Markup("<strong>No example of {} is worth less than nothing</strong> by {}; the best tenth holds {} of "
                      "all value.").format(n, page.method, format_percent(page.top_share))  # fmt: skip
    low, middle, high = (format_number(float(np.quantile(page.finite, q)), 3) for q in (0.05, 0.5, 0.95))
    which = {"highest": "Prefer the highest", "lowest": "Prefer the lowest"}.get(
        page.end or "", "Which end to prefer depends on how much is kept")  # fmt: skip
    return Markup("The {} of {} is <strong>{}</strong> in the middle, and {} to {} for 90 % of them. {}.").format(
        page.unit_words, n, middle, low, high, which)  # fmt: skip


def _checks(page: ValuesPage, missing: int) -> list[Check]:
    n = len(page.values)
    lines = [Check("Does every example have a value?", NO if missing else YES, f"{n - missing} of {n}",
                   "Without one: its loss diverged or was not logged." if missing else "All of them.")]  # fmt: skip
    if len(page.finite):
        spread = page.finite[0] < page.finite[-1]
        same = len(page.finite) - len(np.unique(page.finite))
        lines.append(Check("Do values tell examples apart?", YES if spread else NO,
                           f"{len(page.finite) - same} distinct",
                           f"{format_plural(same, 'value')} are those of another example too." if same else
                           "No two examples have the same value."))  # fmt: skip
    if page.groups and len(page.groups) > 1 and page.finite[0] < page.finite[-1]:
        means = {name: float(v.mean()) for name, v in page.groups.items() if len(v)}
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        lines.append(Check(f"How far apart is the mean value of each {page.group_word}?", NONE,
                           f"{format_number(means[best], 2)} to {format_number(means[worst], 2)}",
                           f"The highest is that of {printable(best)}, the lowest that of {printable(worst)}.",
                           ))  # fmt: skip
    return lines


def _groups_table(page: ValuesPage) -> Table | None:
    if not page.groups:
        return None
    total = float(sum(v.sum() for v in page.groups.values()))
    rows = []
    for name, v in sorted(page.groups.items(), key=lambda item: -float(item[1].mean()) if len(item[1]) else 0.0):
        if not len(v):
            continue
        below = format_percent(float(np.mean(v < 0))) if page.signed else NOTHING
        share = format_percent(float(v.sum()) / total) if page.signed and total > 0 else NOTHING
        error = float(v.std(ddof=1) / np.sqrt(len(v))) if len(v) > 1 else float("nan")
        rows.append((printable(name), str(len(v)), format_number(float(v.mean()), 3), format_number(error, 2),
                     format_number(float(np.median(v)), 3), below, share))  # fmt: skip
    heads = (page.group_word, "examples", "mean value", "standard error", "median", "below 0", "of all value")
    told = [i for i in range(len(heads)) if i < _ALWAYS or any(row[i] != NOTHING for row in rows)]
    note = page.made_of()
    if len(rows) > 2 * _ENDS:
        note = f"Of {format_plural(len(rows), page.group_word)} the {_ENDS} highest and the {_ENDS} lowest. {note}"
        rows = rows[:_ENDS] + rows[-_ENDS:]
    shown = [tuple(row[i] for i in told) for row in rows]
    return make_table(f"Value by {page.group_word}", [heads[i] for i in told], shown, note=note)


def _items_table(page: ValuesPage, caption: str, items: tuple[Mapping[str, Any], ...]) -> Table | None:
    if not items:
        return None
    shown = [name for name in ("label", "grp") if any(m.get(name) is not None for m in items)]
    rows = [
        (name_cell(str(m["item"])), *(NOTHING if m.get(name) is None else printable(str(m[name])) for name in shown),
         format_number(m["value"]))
        for m in items
    ]  # fmt: skip
    heads = ("example", *("group" if name == "grp" else name for name in shown), page.unit or "value")
    return make_table(caption, heads, rows, 1 + len(shown), page.made_of())
