"""The page that decides which data to take and what they are worth: parts, each with its answer, put together.

A part is about one thing that was saved: a selection, values of examples or of sources, an appraisal, a worth in
tokens, a collection budget. A page holds one or several; the first answers in the headline, the others below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reports.batch_page import Decision, Origin, Section, name_cell
from reports.tables import of_checks
from reports.trust import NO, Check
from reports.words import listed, printable
from scaling.errors import UsageError
from scaling.formatting import format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

if TYPE_CHECKING:
    from reports.inputs import Source
    from reports.tables import Table

OVERLINE = "What data are worth"
VERDICT_WORDS = {
    OK: "No check of this page found a reason to distrust it.",
    WEAK: "It holds for what was computed. Read the reasons below before money or training time rests on it.",
    NOT_IDENTIFIED: "The data do not determine what is asked: quite different answers fit as well.",
}
_ORDER = (OK, WEAK, NOT_IDENTIFIED)


@dataclass(frozen=True)
class Part:
    """What a page says of one thing.

    Parameters
    ----------
    kind, name : str
        What it is, such as ``selection``, and its name.
    answer : Markup
        A sentence.
    made : str
        What is behind the numbers: objective, kernel or method, embeddings, data.
    verdict : str
        ``ok``, ``weak`` or ``not identified``.
    reasons : tuple of str
        One sentence for each finding behind it.
    checks : tuple of Check
        How far to trust it.
    sections : tuple of Section
        Figures and tables.
    methods : tuple of (str, str or Markup)
        A term, and what it is.
    machine : mapping
        The numbers, for machines.
    command, sha256, created_at, sql : str
        What makes it again, the hash of all that was read, when it was made, and the query of all its rows.
    sources : tuple of Source
        Files.
    notes : tuple of str
        What is to be known of the data.
    simulated : bool
        Whether no model was trained for the runs behind it.
    """

    kind: str
    name: str
    answer: Markup
    made: str
    verdict: str
    reasons: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    sections: tuple[Section, ...] = ()
    methods: tuple[tuple[str, str | Markup], ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    sha256: str = ""
    created_at: str = ""
    sql: str = ""
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    simulated: bool = False

    @property
    def handle(self) -> str:
        """Of its figures and sections on the page."""
        return "-".join([self.kind, *("".join(c if c.isalnum() else "-" for c in self.name).split("-"))]).strip("-")


def join_parts(
    parts: Sequence[Part],
    *,
    level: float,
    store: str = "",
    command: str = "",
    versions: Mapping[str, str] | None = None,
) -> tuple[Decision, Origin]:
    """Make one page of parts.

    Parameters
    ----------
    parts : sequence of Part
        In the order of the page; the first answers in the headline.
    level : float
        Nominal coverage of the intervals, unless a part says otherwise.
    store, command : str
        The store, and what was typed.
    versions : mapping, optional
        Software, by name.

    Returns
    -------
    decision : Decision
    origin : Origin

    Raises
    ------
    UsageError
        Where there are no parts.
    """
    if not parts:
        raise UsageError(
            "A page about nothing was asked for.",
            "Name what it is about: --selection, --values, --sources, --appraisal, --worth or --curves.",
        )
    first, *others = parts
    verdict = max((part.verdict for part in parts), key=_ORDER.index)
    many = bool(others)
    reasons = [f"{_title(part)}: {reason}" if many else reason for part in parts for reason in part.reasons]
    if made_up := [_title(part) for part in parts if part.simulated and not all(p.simulated for p in parts)]:
        reasons.append(f"Simulated, and so no word on real models: {listed(made_up)}.")
    sections, numbers = [_trust(parts)], count(1)
    for part in parts:
        sections += [_own(section, part, numbers, many) for section in part.sections]
    decision = Decision(
        overline=OVERLINE,
        title=f"{_title(first)}: what data are worth",
        headline=first.answer,
        quote="",
        choice=_choice(parts),
        verdict=verdict,
        reasons=tuple(reasons),
        sections=tuple(s for s in sections if s.parts or s.words),
        methods=_methods(parts),
        tables=(_provenance(parts),),
        machine={"parts": [{"kind": p.kind, "name": p.name, "verdict": p.verdict, **p.machine} for p in parts]},
        points=tuple(part.answer for part in others),
        verdict_words=_verdict_words(verdict, parts),
    )
    files = list(dict.fromkeys(s for part in parts for s in part.sources))
    origin = Origin(
        name=listed(list(dict.fromkeys(part.name for part in parts))),
        command="\n".join(dict.fromkeys([*(p.command for p in parts if p.command), *([command] if command else [])])),
        sql=";\n\n".join(dict.fromkeys(part.sql for part in parts if part.sql)),
        data_sha256=first.sha256 if not many else "",
        store=store,
        created_at=first.created_at if not many else "",
        sources=tuple(files),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        versions=dict(versions or {}),
        simulated=all(part.simulated for part in parts),
        level=level,
        words="The table lists what each part rests on" if many else f"{first.made[:1].upper()}{first.made[1:-1]}",
    )
    return decision, origin


def _own(section: Section, part: Part, numbers: Iterator[int], many: bool) -> Section:
    """Give a section and its figures handles of their own, and among several parts the name of its part."""
    parts = tuple(
        (replace(one[0], key=f"fig-{next(numbers)}"), one[1]) if isinstance(one, tuple) else one
        for one in section.parts
    )
    if not many:
        return replace(section, parts=parts)
    name = printable(part.name)
    return replace(
        section, key=f"{part.handle}-{section.key}", title=f"{section.title}: {name}",
        short=f"{section.short}: {name}", parts=parts,
    )  # fmt: skip


def _title(part: Part) -> str:
    return f"{part.kind[:1].upper()}{part.kind[1:]} {printable(part.name)}"


def _verdict_words(verdict: str, parts: Sequence[Part]) -> str:
    """Say what the verdict means; where it is the worst of several, of which parts it is."""
    words = VERDICT_WORDS[verdict]
    against = sum(check.answer == NO for part in parts for check in part.checks)
    if verdict == OK and against:
        checks = sum(len(part.checks) for part in parts)
        verb = "answers" if against == 1 else "answer"
        return f"Usable, but {against} of {format_plural(checks, 'check')} {verb} no: see below what that means."
    of = [_title(part) for part in parts if part.verdict == verdict]
    return words if len(parts) == 1 or verdict == OK else f"{words} It is that of: {listed(of)}."


def _trust(parts: Sequence[Part]) -> Section:
    lines = [
        replace(check, question=f"{check.question} ({printable(part.name)})") if len(parts) > 1 else check
        for part in parts
        for check in part.checks
    ]
    return Section("trust", "Whether to trust it", "Trust", parts=(of_checks(lines),) if lines else ())


def _choice(parts: Sequence[Part]) -> str:
    kinds = {part.kind for part in parts}
    if "selection" in kinds and "appraisal" not in kinds:
        return "Scores are no results: an appraisal of subsets that were trained on says whether a score predicts them."
    return ""


def _methods(parts: Sequence[Part]) -> tuple[tuple[str, str | Markup], ...]:
    """Join methods: the same words once, and of terms that differ from part to part each with its part."""
    seen: dict[tuple[str, str], None] = {}
    out: list[tuple[str, str | Markup]] = []
    words_of: dict[str, set[str]] = {}
    for part in parts:
        for term, words in part.methods:
            words_of.setdefault(term, set()).add(str(words))
    for part in parts:
        for term, words in part.methods:
            if (term, str(words)) in seen:
                continue
            seen[term, str(words)] = None
            out.append((f"{term} ({printable(part.name)})" if len(words_of[term]) > 1 else term, words))
    return tuple(out)


def _provenance(parts: Sequence[Part]) -> Table:
    from reports.tables import NOTHING, make_table

    rows = [
        (
            name_cell(_title(part)),
            part.made,
            part.created_at or NOTHING,
            Markup("<code>{}</code>").format(part.sha256) if part.sha256 else NOTHING,
        )
        for part in parts
    ]
    return make_table("Where each part comes from", ("part", "what it rests on", "made", "SHA-256"), rows, texts=4)
