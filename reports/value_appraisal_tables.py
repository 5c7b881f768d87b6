"""Tables of an appraisal: how far to push each score, and how well each predicts in which regime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.tables import Table, make_table
from reports.words import listed, printable
from scaling.formatting import format_interval, format_number

if TYPE_CHECKING:
    from reports.value_appraisal_page import AppraisalPage

_CAP = "Up to where a score may be optimised: where performance over it stops rising, else the end of random subsets."


def caps_table(page: AppraisalPage) -> Table:
    """Say of each score what random subsets have, what was reached, and where to stop."""
    rows = []
    for name in page.ranked:
        one, spread = page.detected(name), page.spread(name)
        pushed = ~page.is_random & np.isfinite(page.scores[name])
        top = float(page.scores[name][pushed].max()) if pushed.any() else float("nan")
        band = "–" if spread is None else f"{format_number(spread.mean)}, sd {format_number(spread.sd, 2)}"
        if one is None:
            cap = why = "–"
        elif one.flagged:
            cap = f"{format_number(one.cap)} ({format_interval(*one.cap_interval)})"
            why = listed([{"bend": "performance stops rising", "z": "pushed subsets are no better than random ones"}[r]
                          for r in one.reasons])  # fmt: skip
        elif page.rises(name):
            cap, why = "no limit seen", "performance rises to the highest score tried"
        else:
            cap, why = "no limit seen", "it is not told that performance rises with it"
        rows.append((printable(name), band, format_number(top), cap, why))
    heads = ("score", "random subsets: mean", "highest chosen", "optimise to", "because")
    return make_table(
        "How far to push each score", heads, rows, (0, 4), f"{_CAP} {page.made_of('bootstrap of subsets')}"
    )


def relations_table(page: AppraisalPage) -> Table:
    """Make the table of all correlations."""
    rows = []
    for name in page.ranked:
        for one in page.relations(name):
            given = f", given {listed(list(one.given))}" if one.given else ""
            rows.append((printable(name), page.regime_words(one), str(one.spearman), str(one.kendall),
                         str(one.pearson), f"{one.partial}{given}" if one.given else "–",
                         format_number(one.isotonic_r2.value, 2)))  # fmt: skip
    heads = ("score", "among", "Spearman", "Kendall", "Pearson", "partial", "R² of a rising curve")
    told = [i for i in range(len(heads)) if heads[i] != "partial" or any(row[i] != "–" for row in rows)]
    heads, rows = tuple(heads[i] for i in told), [tuple(row[i] for i in told) for row in rows]
    note = (
        "Every correlation is turned so that above 0 means better performance at a higher score. R²: share of the "
        "variance of subsets that the curve has not seen; below 0 it does worse than their mean. "
        f"{page.made_of('BCa bootstrap of subsets, within sizes or budgets')}"
    )
    return make_table("Correlation of each score with performance", heads, rows, 2, note)
