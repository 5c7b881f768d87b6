"""Pages that decide a batch size, a learning rate or what data to take: what all of them share.

Each kind makes a `Decision`: the answer, sections of figures and tables, and how it was made. One template sets
them all, so that they read alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reports.inputs import Source
from reports.page import check_place, environment, machine_text, picture_of, resource, write_page
from reports.tables import Cell, Table, make_table
from reports.trust import NO, VERDICTS
from reports.words import listed, printable
from scaling.formatting import format_plural
from scaling.verdicts import OK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.series import FigureData
    from scaling.results import Fit

CHECKS = "Checks"  # caption of the table of `reports.tables.of_checks`


@dataclass(frozen=True)
class Origin:
    """Where a page comes from.

    Parameters
    ----------
    name : str
        Of the saved fit.
    fit : Fit or None
        The fit; None for a page that rests on no single one.
    command, sql, data_sha256, store, created_at, where : str
        What was typed; the query and the hash of the rows; the store; when the fit was saved; which runs.
    rows : str
        What the rows of the fit are, in words such as ``9 batch sizes``.
    runs : int
        Runs behind them.
    sources : tuple of Source
        The files the runs came from.
    excluded_counts : mapping of str to int
        How many runs were left out, by reason.
    notes : tuple of str
        What is to be known of the rows.
    versions : mapping of str to str
        Software, by name.
    simulated : bool
        Whether the runs come from a simulator.
    level : float
        Nominal coverage of every interval, unless the page says otherwise.
    words : str
        What to say of the data where they are not rows of a fit from runs.
    seed : int or None
        Of a page without a fit, where all of it has one.
    """

    name: str
    fit: Fit | None = None
    command: str = ""
    sql: str = ""
    data_sha256: str = ""
    store: str = ""
    created_at: str = ""
    where: str = ""
    rows: str = ""
    runs: int = 0
    sources: tuple[Source, ...] = ()
    excluded_counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False
    level: float = 0.9
    words: str = ""
    seed: int | None = None

    @property
    def data(self) -> str:
        """The rows of the fit: how many, of which files, under which condition."""
        if self.words:
            return self.words
        files = [source.file for source in self.sources]
        shown = listed(files) if 0 < len(files) <= 3 else format_plural(len(files), "file")
        of = f" of {shown}" if files else ""
        where = f" where {printable(self.where)}" if self.where else ""
        return f"{self.rows} from {format_plural(self.runs, 'run')}{of}{where}"

    def made_of(self, intervals: str = "", data: str = "") -> str:
        """Say what stands behind numbers: law, objective, how intervals were made, and the data."""
        assert self.fit is not None
        how = intervals or self.fit.interval_method
        goal = f"Law: {self.fit.law.name}; objective: {self.fit.objective}; "
        return f"{goal}intervals: {how}; data: {data or self.data}."


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    key, title, short : str
        Its handle, its heading, and its name in the list of contents.
    words : tuple of str
        Paragraphs before everything else.
    parts : tuple
        `Table` and (FigureData, Figure), in order; None is left out.
    """

    key: str
    title: str
    short: str
    words: tuple[str, ...] = ()
    parts: tuple[Table | tuple[FigureData, Figure] | None, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What a page says.

    Parameters
    ----------
    overline, title : str
        What kind of page it is, and of what.
    headline : Markup
        The answer in a sentence.
    quote, choice : str
        What goes with it, and what was chosen for want of a question.
    verdict : str
        ``ok``, ``weak`` or ``not identified``.
    verdict_of : str
        What the verdict is of, where that is not the answer itself.
    points : tuple of str or Markup
        More answers below the first, where a page answers several questions.
    verdict_words : str
        What the verdict means, where that is not what it means of a fit.
    reasons : tuple of str
        One sentence for each finding behind it.
    sections : tuple of Section
        In order.
    methods : tuple of (str, str or Markup)
        A term, and what it is.
    tables : tuple of Table
        Of the section on the data.
    machine : mapping
        The numbers, for machines.
    """

    overline: str
    title: str
    headline: Markup
    quote: str
    choice: str
    verdict: str
    reasons: tuple[str, ...]
    sections: tuple[Section, ...]
    methods: tuple[tuple[str, str | Markup], ...]
    tables: tuple[Table, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    verdict_of: str = ""
    points: tuple[str | Markup, ...] = ()
    verdict_words: str = ""


def render_decision(decision: Decision, origin: Origin) -> str:
    """Write the page.

    Parameters
    ----------
    decision : Decision
        What it says.
    origin : Origin
        Where it comes from.

    Returns
    -------
    str
        A complete HTML document; the same for the same input.
    """
    number = count(1)

    def part_of(part: Any) -> dict[str, Any]:
        if isinstance(part, Table):
            return {"table": part, "quiet": part.caption == CHECKS}
        one, picture = part
        return {"figure": picture_of(one, picture, next(number))}

    sections = [
        {"key": s.key, "title": s.title, "short": s.short, "words": s.words,
         "parts": [part_of(part) for part in s.parts if part is not None]}
        for s in decision.sections
    ]  # fmt: skip
    word = decision.verdict if decision.verdict in VERDICTS else "weak"
    return environment().get_template("decision.html.j2").render(
        decision=decision,
        origin=origin,
        sections=[s for s in sections if s["parts"] or s["words"]],
        verdict_class=word.replace(" ", "-"),
        verdict_words=decision.verdict_words or verdict_words(word, decision.sections),
        sources=of_sources(origin),
        excluded=of_excluded(origin),
        css=Markup(resource("theme.css")),
        machine=machine_text(_machine(decision, origin)),
    ) + "\n"  # fmt: skip


def verdict_words(verdict: str, sections: Sequence[Section]) -> str:
    """Say what a verdict means; one that is ``ok`` is of the fit, and checks of the page may still say no."""
    checks = [row for s in sections for part in s.parts if isinstance(part, Table) and part.caption == CHECKS
              for row in part.rows]  # fmt: skip
    against = sum(f'"answer {NO}"' in str(row[1]) for row in checks)
    if verdict != OK or not against:
        return VERDICTS[verdict]
    return (
        f"The fit itself gives no reason to distrust it, but {against} of {format_plural(len(checks), 'check')} "
        f"{'answers' if against == 1 else 'answer'} no: see below what that means for the answer."
    )


def write_decision(decision: Decision, origin: Origin, path: str | os.PathLike[str]) -> Path:
    """Write the page to a file, whole or not at all; as `reports.write_report`, with the same errors."""
    check_place(path)
    return write_page(render_decision(decision, origin), path)


def of_sources(origin: Origin) -> Table:
    """Make the table of files."""
    rows = [
        (name_cell(s.file), str(s.rows), s.imported_at, Markup("<code>{}</code>").format(s.sha256))
        for s in origin.sources
    ]
    counted = "runs" if origin.fit is not None else "rows"
    return make_table("Sources", ("file", counted, "imported", "SHA-256"), rows, texts=(0, 2, 3))


def of_excluded(origin: Origin) -> Table:
    """Make the table of what the selection left out."""
    rows = [(printable(reason), str(n)) for reason, n in origin.excluded_counts.items()]
    return make_table("Left out by the selection", ("reason", "runs or sweeps"), rows)


def name_cell(text: str) -> Markup:
    """Set a name that may be long, such as that of a run or a file."""
    return Markup('<span class="name">{}</span>').format(printable(text))


def over(value: str, below: str) -> Cell:
    """Set a value with its interval under it."""
    return Markup('{}<span class="below">{}</span>').format(value, below)


def estimates_table(fit: Fit, origin: Origin, names: Sequence[str] | None = None) -> Table:
    """Make the table of the parameters of a fit."""
    from reports.words import level_text, mean_text
    from scaling.formatting import format_interval

    rows = []
    for parameter in fit.law.parameters:
        low, high = fit.interval(parameter.name, origin.level)
        value = fit.estimates[parameter.name]
        rows.append((parameter.name, parameter.meaning, mean_text(value, low, high), format_interval(low, high)))
    kept = [row for row in rows if names is None or row[0] in names]
    heads = ("parameter", "meaning", "estimate", f"{level_text(origin.level)} interval")
    note = f"{fit.law.output} = {fit.law.formula}. {origin.made_of()}"
    return make_table("Parameters", heads, kept, 2, note)


def _machine(decision: Decision, origin: Origin) -> dict[str, Any]:
    import json

    fit: dict[str, Any] | None = None if origin.fit is None else json.loads(origin.fit.to_json(replicates=False))
    return {
        "report_version": 1,
        "name": origin.name,
        "created_at": origin.created_at,
        "simulated": origin.simulated,
        "level": origin.level,
        "verdict": decision.verdict,
        "reasons": decision.reasons,
        **decision.machine,
        "fit": fit,
        "data": {
            "sha256": origin.data_sha256,
            "rows": origin.rows,
            "runs": origin.runs,
            "sources": [vars(s) for s in origin.sources],
            "excluded": origin.excluded_counts,
            "notes": origin.notes,
        },
        "command": origin.command,
        "sql": origin.sql,
        "store": origin.store,
        "versions": origin.versions,
    }
