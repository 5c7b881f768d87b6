"""A selection in words: the answer, and what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from reports.words import level_text, printable, sentence
from scaling.formatting import format_interval, format_number, format_plural, format_whole

if TYPE_CHECKING:
    from reports.value_subset_page import SubsetPage


def subset_answer(page: SubsetPage) -> Markup:
    """Say in a sentence whether to take a selection."""
    of = f"the {format_whole(page.size)} of {format_plural(page.n, 'example')} in {printable(page.name)}"
    were, their, them, they_stand, have = "were", "their", "them", "they stand", "have"
    if page.size == 1:
        of = f"the one example of {format_whole(page.n)} in {printable(page.name)}"
        were, their, them, they_stand, have = "was", "its", "it", "it stands", "has"
    if page.is_random:
        return Markup("{} {} <strong>drawn at random</strong>: compare others with {}.").format(
            sentence(of), were, them)  # fmt: skip
    if page.beyond and page.cap is not None:
        words = "<strong>Do not take</strong> {} for {} score: {} {} is {}, and by the appraisal {}{} subsets above "
        words += "{} were no better."
        name, cap = page.cap[:2]
        by = "" if page.sure else f", of a score by the name of {page.objective},"
        return Markup(words).format(
            of, their, their, page.score_words, format_number(page.score), name, by, format_number(cap)
        )
    worth = page.worth
    if page.band is not None and not page.beats_all:
        return Markup("<strong>Random examples do as well</strong> as {}: {} {} is {}, that of {} {} "
                      "(sd {}).").format(of, their, page.score_words, format_number(page.score),
                      page.random_words, format_number(page.band.mean), format_number(page.band.sd, 2))  # fmt: skip
    if worth is not None and worth.beyond is None:
        words = "Take {}: by {} {} {} for <strong>{} {}</strong> ({} interval {})."
        return Markup(words).format(
            of, their, page.score_words, they_stand, format_number(worth.size, 3), page.random_examples,
            level_text(worth.level), format_interval(*worth.interval))  # fmt: skip
    if worth is not None and worth.beyond == "above":
        return Markup("Take {}: <strong>no number of {}</strong> up to {} has as high a {}.").format(
            of, page.random_examples, format_whole(worth.curve[1]), page.score_words)  # fmt: skip
    above = "" if page.band is None else f", {format_number(page.z, 2)} sd above {page.random_words}"
    return Markup("{} {} a {} of <strong>{}</strong>{}.").format(
        sentence(of), have, page.score_words, format_number(page.score), above)  # fmt: skip


def subset_reasons(page: SubsetPage) -> list[str]:
    """List why a selection is not to be trusted as it stands; none of one that was drawn at random."""
    found: list[str] = []
    if page.is_random:
        return found
    if page.beyond and page.cap is not None:
        known = "" if page.sure else f" ({page.matched})"
        found.append(
            f"Its score lies above the cap of the appraisal {page.cap[0]}, {format_number(page.cap[1])}{known}."
        )
    if page.band is None:
        found.append(f"No random subsets to compare with: {page.no_random or 'none were drawn'}.")
    elif not page.beats_all:
        drawn = len(page.band.values)
        above = f"{format_number(page.z, 2)} sd above their mean"
        found.append(f"It does not score above all of {drawn} {page.random_words}: {above}.")
    if page.band is not None and page.unmatched:
        found.append(
            f"Random subsets match its size alone, and not what bound it: {page.unmatched}. What it scores above or "
            "below them may come of that."
        )
    if page.other_sizes:
        found.append(page.other_sizes)
    if page.other_score:
        found.append(page.other_score)
    elif page.predicts is None:
        found.append(
            f"Nothing on this page says whether a higher {page.score_words} means a better model: that takes an "
            "appraisal of subsets that were trained on (scaling value appraise)."
        )
    if page.predicts is not None and not page.predicts[2]:
        found.append(f"The appraisal {page.predicts[0]} does not tell that {page.objective} predicts performance.")
    return found
