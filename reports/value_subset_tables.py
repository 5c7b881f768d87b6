"""Checks and tables of a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.batch_page import name_cell
from reports.tables import NOTHING, Table, make_table
from reports.trust import NO, NONE, YES, Check
from reports.value_gain_words import gain_shown
from reports.value_subset_figures import share_words
from reports.words import printable, sentence
from scaling.formatting import format_interval, format_number, format_percent, format_plural, format_whole

if TYPE_CHECKING:
    from reports.value_subset_page import SubsetPage

_NEAR = 0.9  # share of the optimum that counts as near it
_NAMED = 3  # classes without a member that a check names
_MOST = 20  # classes that the table lists


def subset_checks(page: SubsetPage) -> list[Check]:
    """List how far to trust a selection.

    Parameters
    ----------
    page : SubsetPage
        The selection.

    Returns
    -------
    list of Check
    """
    lines = [_against_random(page), _certified(page)]
    if page.cap is not None:
        limit = "no limit seen"
        if np.isfinite(page.cap[1]):
            limit = f"{format_number(page.score)}, cap {format_number(page.cap[1])}"
        said = f"By the appraisal {page.cap[0]}, of subsets that were trained on{_how(page)}."
        question = "Does its score stay where more of it still helps?"
        lines.append(Check(question, NO if page.beyond else YES, limit, said))
    if page.predicts is not None:
        name, number, told = page.predicts
        said = f"Correlation, by the appraisal {name}{_how(page)}."
        lines.append(Check("Does this score predict performance?", YES if told else NO, number, said))
    elif not page.is_random:
        said = page.other_score or "No appraisal of it was named."
        lines.append(Check("Does this score predict performance?", NONE, "–", said))
    if page.classes:
        missing = [name for name, (mine, _) in page.classes.items() if not mine]
        number = f"{len(page.classes) - len(missing)} of {len(page.classes)}"
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        named = ", ".join(printable(m) for m in missing[:_NAMED])
        said = f"Left out: {named}{more}." if missing else "See the table below."
        lines.append(Check(f"Is every {page.class_word} in it?", NO if missing else YES, number, said))
    return lines


def _how(page: SubsetPage) -> str:
    return f"; {page.matched}" if page.matched else ""


def _against_random(page: SubsetPage) -> Check:
    question = "Does it score above random subsets?"
    if page.band is None:
        return Check(question, NONE, "–", f"{sentence(page.no_random or 'none were drawn')}.")
    said = f"{sentence(page.random_words)}: {format_number(page.band.mean)} on average, 95 % {page.band_ends}, of "
    side = f"{format_number(abs(page.z), 3)} sd {'below' if page.z < 0 else 'above'}"
    if page.is_random:
        return Check(question, NONE, side, f"{said}{len(page.band.values)} draws; it is a random subset itself.")
    if page.unmatched:
        return Check(question, NONE, side, f"{said}{len(page.band.values)} draws, which are not bound as it is: "
                     f"{page.unmatched}.")  # fmt: skip
    said += f"{len(page.band.values)} draws; a yes where it scores above every one of them."
    return Check(question, YES if page.beats_all else NO, side, said)


def _certified(page: SubsetPage) -> Check:
    question, certificate = "Is it near the best possible?", page.certificate
    share, of = certificate.get("share"), "value"
    if certificate.get("score_share") is not None:
        share, of = certificate["score_share"], "score"
    if share is None:
        why = str(certificate.get("why") or "no certificate was asked for").rstrip(".")
        return Check(question, NONE, "–", f"{sentence(why)}.")
    said = f"Of the largest {of} that any set of its size has, for these data: a certificate, not an estimate."
    return Check(question, YES if share >= _NEAR else NO, f"at least {share_words(share)}", said)


def scores_table(page: SubsetPage) -> Table:
    """Hold the score against random subsets."""
    random = above = worth = NOTHING
    if page.band is not None:
        random = f"{format_number(page.band.mean)} ({page.band_ends})"
        above = f"{format_number(page.z, 3)} sd"
    if page.worth is not None:
        low, high = (format_whole(v) for v in page.worth.curve)
        size = format_number(page.worth.size, 3)
        if page.worth.beyond is None:
            worth = f"{size} ({format_interval(*page.worth.interval)})"
        else:
            worth = f"above {high}" if page.worth.beyond == "above" else f"below {low}"
    row = (name_cell(page.name), format_whole(page.size), format_number(page.score), random, above, worth)
    heads = ("selection", "examples", page.score_words, "random, 95 % of draws", "above random", "random examples")
    return make_table("Scores", heads, [row], note=f"{page.made_of()} Random: {page.random_words}.")


def classes_table(page: SubsetPage) -> Table | None:
    """Count what was chosen of each class or group; None where these are not known."""
    if not page.classes:
        return None
    rows = []
    for name, (mine, every) in sorted(page.classes.items(), key=lambda item: -item[1][0]):
        times = format_number(mine * page.n / (page.size * every), 2)
        rows.append((printable(name), str(mine), str(every), format_percent(mine / every), times))
    cost = ""
    if page.cost is not None:
        cost = f" Cost: {format_number(page.cost[0])} of {format_number(page.cost[1])}."
    heads = (page.class_word, "chosen", "there are", "share chosen", "times as often as at random")
    more = f"Of {format_plural(len(rows), page.class_word)} those with most chosen. " if len(rows) > _MOST else ""
    note = f"{more}{page.made_of()}{cost}"
    return make_table(f"Chosen examples of each {page.class_word}", heads, rows[:_MOST], note=note)


def members_table(page: SubsetPage) -> Table | None:
    """List the first members."""
    if not page.members:
        return None
    shown = [name for name in ("label", "grp") if any(m.get(name) is not None for m in page.members)]
    rows = []
    for m in page.members:
        known = [NOTHING if m.get(name) is None else printable(str(m[name])) for name in shown]
        gain = NOTHING if m.get("gain") is None else gain_shown(m["gain"], page.gains, 3)
        rows.append((str(m["rank"] + 1), name_cell(str(m["example_id"])), *known, gain))
    heads = ("turn", "example", *("group" if name == "grp" else name for name in shown), "gain")
    return make_table("The first members", heads, rows, 2 + len(shown), page.made_of())
