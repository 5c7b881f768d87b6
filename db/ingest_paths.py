"""Ingest of whatever lies below some paths: tables of runs and of scores, and the logs of trackers and trainers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from db.log_ingest import ingest_logs
from db.log_told import Said, parts_of_runs, tell
from db.readers.discover import Source, Unread, discover
from db.readers.probe import Probe
from db.readers.run_table import NAME as TABLE
from db.readers.score_tables import NAME as SCORES
from db.readers.score_tables import preset_of
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

_NAMED = 5
_IN_FULL = 12  # logs, up to which all is told of each
_FAILURES = 20
_TAKEN = " came from another file already"
Advance = Callable[[int, int], None]
ReadTable = Callable[[Path], Sequence[dict[str, Any]]]


class ReadScores(Protocol):
    """Reads a table of scores by a preset and gives the rows to print."""

    def __call__(self, path: Path, /, preset: str) -> Sequence[dict[str, Any]]:
        """Read it."""
        ...


@dataclass
class Reading:
    """What came of some paths.

    Parameters
    ----------
    rows : list of dict
        One a source, to print.
    failed : list of str
        Sources that could not be read, and why.
    unknown : list of Path
        Files of no format that is known.
    n_tables : int
        How many of these are tables whose columns say nothing.
    losses : set of str
        Metrics that are shown as the losses of the logs that were read.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    n_tables: int = 0
    losses: set[str | None] = field(default_factory=set)

    def check_metric(self, asked: str | None) -> None:
        """Refuse, once all is read, a metric that no run had: of these the loss was chosen by its name.

        Raises
        ------
        UsageError
            If it was asked for, runs were read, and none of them has it.
        """
        if asked is not None and self.losses and asked not in self.losses:
            raise UsageError(
                f"No run of what was read has a metric '{asked}'; their losses were chosen by name.",
                "What runs logged: scaling sql 'SELECT DISTINCT metric FROM metrics'",
            )

    def shown(self) -> list[dict[str, Any]] | None:
        """What people get to see in place of very many rows: sums by format and status; None of a few rows."""
        if len(self.rows) <= _IN_FULL or not all("status" in row for row in self.rows):
            return None
        sums: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.rows:
            key = (row.get("format", TABLE), row["status"])
            one = sums.setdefault(key, {"format": key[0], "status": key[1], "n_logs": 0})
            one["n_logs"] += 1
            for name, value in row.items():
                if name.startswith("n_") and value is not None:
                    one[name] = one.get(name, 0) + value
        return list(sums.values())

    def failures(self) -> list[str]:
        """Lines about what could not be read, to be said last."""
        more = len(self.failed) - _FAILURES
        return [*self.failed[:_FAILURES], *([f"and {more} more."] if more > 0 else [])]


def find_sources(paths: Sequence[Path], wanted: str | None) -> tuple[list[Source], list[Unread]]:
    """Find what is below some paths.

    Parameters
    ----------
    paths : sequence of Path
        Files and directories.
    wanted : str, optional
        Name of the only format to read.

    Returns
    -------
    sources : list of Source
        Each once, in the order of the paths.
    unread : list of Unread
        The rest.

    Raises
    ------
    InputDataError
        If a path is not there, or a file could be several things.
    """
    sources: dict[str, Source] = {}
    unread: list[Unread] = []
    for path in paths:
        for found in discover(path, wanted):
            if isinstance(found, Unread):
                unread.append(found)
            else:
                sources.setdefault(found.uri, found)
    return _without_parts(list(sources.values())), unread


def _without_parts(sources: Sequence[Source]) -> list[Source]:
    """Leave out what a directory above reads as well."""
    files = {one.uri: (one.format.NAME, one.main_files) for one in sources}
    readers: dict[tuple[str, Path], list[Source]] = {}
    for one in sources:
        for file in files[one.uri][1] if one.sign.entries else ():
            readers.setdefault((one.format.NAME, file), []).append(one)

    def is_part(one: Source) -> bool:
        name, mine = files[one.uri]
        return any(
            above.path != one.path
            and one.path.resolve().is_relative_to(above.path.resolve())
            and set(mine) <= set(files[above.uri][1])
            for above in readers.get((name, mine[0]), [])
        )

    return [one for one in sources if not is_part(one)]


def ingest_paths(
    paths: Sequence[Path],
    db: str | None,
    read_table: ReadTable,
    read_scores: ReadScores,
    say: Callable[[str], None],
    *,
    wanted: str | None = None,
    metric: str | None = None,
    replace: bool = False,
    advance: Advance | None = None,
) -> Reading:
    """Read all that is below some paths.

    Parameters
    ----------
    paths : sequence of Path
        Files and directories.
    db : str or None
        The store; None to write nothing.
    read_table : callable
        Reads a table of runs and gives the rows to print.
    read_scores : callable
        The same for a public table of scores, by a preset.
    say : callable
        Tells people what came of each source.
    wanted : str, optional
        Name of the only format to read.
    metric : str, optional
        Metric to show as the loss.
    replace : bool, default False
        Take over what another source brought.
    advance : callable, optional
        Called with the sources that are done and all of them.

    Returns
    -------
    Reading

    Raises
    ------
    InputDataError
        If a path is not there, a file that was named is of no known format, or a table that was named cannot be read.
    """
    sources, unread = find_sources(paths, wanted)
    named = {path.resolve() for path in paths}
    out = Reading()
    for one in unread:
        if one.path.resolve() in named and not one.path.is_dir():
            if one.path.stat().st_size == 0:
                raise InputDataError(f"The file {one.path} is empty.", "Check that the export finished.")
            read_table(one.path)  # says what is wrong with it, as of any table
        if one.known:
            out.failed.append(str(one))
        else:
            out.unknown.append(one.path)
    done = 0
    tables = [source for source in sources if source.format.NAME in (TABLE, SCORES)]
    logs = [source for source in sources if source.format.NAME not in (TABLE, SCORES)]
    for source in tables:
        asked = source.path.resolve() in named or wanted == source.format.NAME
        preset = preset_of(Probe(source.path).columns) if source.format.NAME == SCORES else None
        if source.format.NAME == TABLE or preset:
            _read_table(source, asked, partial(read_scores, preset=preset) if preset else read_table, out)
        elif asked:
            list(source.format.read(source.path, ()))  # says what it is, and how it is used
        else:
            out.unknown.append(source.path)
        done += 1
        if advance:
            advance(done, len(sources))
    several = len(logs) > _IN_FULL
    said = Said()
    step = (lambda n, _: advance(done + n, len(sources))) if advance else None
    for report in ingest_logs(db, logs, metric=metric, replace=replace, advance=step):
        if report.status == "failed":
            out.failed.append(str(report))
            continue
        out.rows += report.preview if db is None else [report.to_row()]
        if report.metric is not None:
            out.losses.add(report.metric)
        if several:
            said.take(report)
        else:
            tell(report, say)
    for line in said.lines():
        say(line)
    if parted := parts_of_runs(logs):
        say(f"note: {parted}")
    _tell_rest(out, say, wanted, bool(sources))
    return out


def _read_table(source: Source, asked: bool, read_table: ReadTable, out: Reading) -> None:
    """A table that was named has to be readable; among other files it may be something else."""
    try:
        out.rows += read_table(source.path)
    except (InputDataError, UsageError) as error:
        if asked:
            raise
        if _TAKEN in error.message:
            out.failed.append(str(error))
        else:
            out.unknown.append(source.path)
            out.n_tables += source.format.NAME == TABLE


def _tables(out: Reading) -> str:
    """Of what was left out: how many are tables, which a mapping would let in."""
    if not out.n_tables:
        return ""
    are, columns = ("is a table", "its columns") if out.n_tables == 1 else ("are tables", "their columns")
    return f" {out.n_tables} of them {are} that cannot be read without {columns} being named: --mapping TOML."


def _tell_rest(out: Reading, say: Callable[[str], None], wanted: str | None, any_source: bool) -> None:
    if out.unknown:
        listed = ", ".join(str(path) for path in out.unknown[:_NAMED])
        more = " and so on" if len(out.unknown) > _NAMED else ""
        of = "of no known format" if wanted is None else f"of another format than {wanted}"
        say(f"left out: {format_plural(len(out.unknown), 'file')} {of}: {listed}{more}.{_tables(out)}")
    if not any_source and not out.failed:
        if wanted is not None:
            hint = "Leave --format away to see what else is there."
            raise InputDataError(f"Nothing below these paths is of the format {wanted}.", hint)
        raise InputDataError(
            "Nothing below these paths is a log of a known format.", "See what can be read: scaling formats"
        )
