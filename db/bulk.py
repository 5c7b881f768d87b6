"""Large tables: the same runs, problems and warnings as of small ones, a part at a time.

The rows are brought together by run, which they mostly are already, and each part of whole runs goes through the same
steps as a small table. What is said of the file as a whole is put together afterwards; logged values wait on disk. What
is held is one part, and for each run what it is: that a run has to fit into memory is the one limit left. A table with
one row a run goes the same way, many runs in a part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np

from db import bulk_limits
from db.assemble import (
    Assembler,
    Ends,
    Runs,
    end_warnings,
    first_rows,
    named_columns,
    nothing_left,
    repeats_warning,
    varying_warning,
)
from db.bulk_doubles import Doubles, Numbered
from db.bulk_extra import KeptTexts
from db.bulk_kept import Kept
from db.bulk_part import Part, Parts, Texts
from db.bulk_runs import Order, group_by_run
from db.bulk_source import TOLD, Source, open_source
from db.cells import OK, text_from_cell
from db.checks import Refusals, check_units
from db.guess import complete
from db.logged import Block, Logged
from db.mapping import Mapping, MetricSpec
from db.problems import Problem
from db.readers.table import Table, joined
from db.resolve import Resolved, resolve

_CELLS = 2_000_000  # numbers in a part, which then fits the caches more or less
_FEWEST_ROWS = 4096
_LINES = 9  # that a warning writes, and one more


@dataclass(frozen=True)
class LargeTable:
    """What was read of a large table: its format, rows in all, the completed mapping and the runs."""

    format: str
    n_rows: int
    mapping: Mapping
    runs: Runs


def read_large(path: str, kind: str, mapping: Mapping, metric: str | None) -> LargeTable | None:
    """Read a large table.

    Parameters
    ----------
    path : str
        The file.
    kind : str
        Its format.
    mapping : Mapping
        Which column is what; completed as for a small table.
    metric : str, optional
        Metric to show as the loss.

    Returns
    -------
    LargeTable or None
        None where a column has the name that is needed to number the rows.

    Raises
    ------
    InputDataError, UsageError
        As for a small table.
    StoreError
        If there is no space for temporary files.
    """
    with open_source(path, kind) as source:
        if kind == "parquet" and "file_row_number" in {name.lower() for name in source.columns}:
            if source.n_rows > bulk_limits.MOST_RUNS:
                raise bulk_limits.no_numbers(path)
            return None
        parts = Parts(source)
        used = complete(mapping, parts.whole(), metric)
        nothing = parts.part(0, 0)
        resolved = resolve(used, nothing)
        shape = Assembler(nothing, used, resolved).shape
        order = _order(source, resolved)
        named = named_columns(used, resolved.sources)
        stepwise = {spec.column for spec in used.metrics}
        kept = Kept(source, [column for column in source.columns if column not in named], stepwise)
        found = _Found(source, used, resolved, kept, shape)
        n_rows = max(_CELLS // max(len(parts.wanted), len(kept.columns) // 8, 8), _FEWEST_ROWS)
        for start, stop, numbers, names in order.batches(n_rows):
            part = parts.part(start, stop)
            part.read_wanted()
            found.add(_PartAssembler(part, used, numbers, names, found.doubles))
        return LargeTable(kind, source.n_rows + source.n_unreadable, used, found.finish())


def _order(source: Source, resolved: Resolved) -> Order | Numbered:
    """The runs of a table, whose rows stand together."""
    ids = resolved.texts.get("run_id")
    if ids is not None:
        assert isinstance(ids, Texts)
        return group_by_run(source, ids.columns)
    if source.n_rows > bulk_limits.MOST_RUNS:
        raise bulk_limits.too_many_runs(source.path)
    return Numbered(source.path, source.n_rows)


@dataclass
class _Repeats:
    """Rows of a metric that log a step again: how many, how many say something else, and the first of the latter."""

    count: int = 0
    differing: int = 0
    first: list[tuple[int, int, int]] = field(default_factory=list)  # first line of the run, step, line


class _PartAssembler(Assembler):
    """The runs of a part, without what is said of the file as a whole."""

    def __init__(self, part: Part, mapping: Mapping, numbers: np.ndarray, names: list[str], doubles: Doubles) -> None:
        super().__init__(part, mapping, resolve(mapping, part))
        self.part = part
        self.refusals = Refusals(part, TOLD)
        self.repeats: dict[str, _Repeats] = {}
        self.tokens_vary = False
        self._numbers = numbers
        self._names = names
        self._doubles = doubles

    def _run_ids(self) -> tuple[np.ndarray, list[str]]:
        if "run_id" in self.resolved.texts:
            self._refuse_nameless(self._numbers)
        return self._numbers, self._names

    def _refuse_doubles(self, codes: np.ndarray, run_ids: list[str]) -> None:
        if "run_id" not in self.resolved.texts:
            self._doubles.among_all(self.part, codes)
            return
        repeated = self._doubles.within_runs(self.part, codes, run_ids)
        codes[repeated] = -1
        self.refusals.drop(repeated)

    def _repeated(self, spec: MetricSpec, codes: np.ndarray, count: int, differing: np.ndarray) -> None:
        rows = differing[:_LINES]
        lines = np.asarray(self.table.lines)
        first = lines[first_rows(codes, int(codes.max()) + 1)][codes[rows]]
        keys = zip(first.tolist(), self.step[rows].tolist(), lines[rows].tolist(), strict=True)
        self.repeats[spec.metric] = _Repeats(count, differing.size, list(keys))

    def _tokens(self, codes: np.ndarray, run_ids: list[str]) -> np.ndarray:
        # Whether a total changes within its run is asked of the whole file, so here the tokens are kept either way.
        tokens = super()._tokens(codes, run_ids)
        if "tokens" in self.resolved.numbers or "n_tokens" not in self.resolved.numbers:
            return tokens
        numbers = self.resolved.numbers["n_tokens"]
        self.tokens_vary = not np.isnan(tokens).all()
        return np.where(numbers.status == OK, numbers.values, np.nan)

    def texts_at(self, field_name: str, rows: np.ndarray) -> list[str | None]:
        """A field of text in some rows."""
        texts = self.resolved.texts.get(field_name)
        if texts is None:
            return [None] * rows.size
        if not isinstance(texts, Texts):
            return [texts[row] for row in rows.tolist()]
        cells = self.part.cells_at(texts.columns, np.unique(rows))
        return [joined([text_from_cell(cell) for cell in cells[row]]) for row in rows.tolist()]

    def values_of(self, codes: np.ndarray, run_ids: list[str]) -> Block:
        """Logged values, as of a small table."""
        return self._values(codes, run_ids)

    def facts(self, codes: np.ndarray, values: Block, n_runs: int) -> dict[str, np.ndarray]:
        """What each run is, in numbers."""
        last = self._last(codes, n_runs)
        n_params, n_tokens, compute_flop = self._sizes(last, codes)
        ends = self._ends(values, n_runs)
        lines = np.asarray(self.table.lines)
        return {
            "first_line": lines[first_rows(codes, n_runs)], "last": last, "last_line": lines[last],
            "n_params": n_params, "n_tokens": n_tokens, "compute_flop": compute_flop,
            "step": ends.step, "value": ends.value, "status": ends.status,
        }  # fmt: skip


class _Found:
    """What was found in the parts so far."""

    def __init__(self, source: Source, mapping: Mapping, resolved: Resolved, kept: Kept, shape: str) -> None:
        self.source, self.mapping, self.resolved, self.kept, self.shape = source, mapping, resolved, kept, shape
        self.logged = Logged(on_disk=True)
        self.run_ids: list[str] = []
        self.names: list[str | None] = []
        self.corpora: list[str | None] = []
        self.extra = KeptTexts()
        self.doubles = Doubles()
        self.facts: list[dict[str, np.ndarray]] = []
        self.repeats = {spec.metric: _Repeats() for spec in mapping.metrics}
        self.problems: dict[int, list[Problem]] = {}
        self.counts: dict[int, int] = {}
        self.n_refused = source.n_unreadable
        self.tokens_vary = False

    def add(self, part: _PartAssembler) -> None:
        """Take in a part."""
        codes, run_ids = part.judge()
        if run_ids:
            values = part.values_of(codes, run_ids)
            facts = part.facts(codes, values, len(run_ids))
            self.extra.append(self._kept(part, codes, facts["last"]))
            self.names += part.texts_at("name", facts["last"])
            self.corpora += part.texts_at("corpus", facts["last"])
            self.logged.append(values | {"run": values["run"] + len(self.run_ids)})
            self.run_ids += run_ids
            self.facts.append(facts)
            self.tokens_vary |= part.tokens_vary
            for metric, found in part.repeats.items():
                sofar = self.repeats[metric]
                first = sorted([*sofar.first, *found.first])[:_LINES]
                self.repeats[metric] = _Repeats(sofar.count + found.count, sofar.differing + found.differing, first)
        refusals = part.refusals
        self.n_refused += refusals.n_refused
        for kind, problem in zip(refusals.kinds, refusals.problems, strict=True):
            self.problems.setdefault(kind, []).append(problem)
        for kind, count in refusals.counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
            self.problems[kind] = sorted(self.problems[kind], key=lambda problem: problem.line)[:TOLD]

    def _kept(self, part: _PartAssembler, codes: np.ndarray, last: np.ndarray) -> list[str]:
        if self.shape == "wide":
            return self.kept.row_texts(part.part, last)
        rows = part.taken(codes)
        return list(map(json.dumps, self.kept.values(part.part, rows, codes[rows], last.size)))

    def finish(self) -> Runs:
        """Put the parts together; runs are in the order in which they appear in the file."""
        doubled = self.doubles.finish(self.source.path, self.resolved.sources.get("run_id", ()))
        problems = [*self.source.problems, *(one for kind in sorted(self.problems) for one in self.problems[kind])]
        if not self.run_ids:
            raise nothing_left(self.source.path, problems)
        facts = {key: np.concatenate([one[key] for one in self.facts]) for key in self.facts[0]}
        order = np.argsort(facts["first_line"], kind="stable")  # rows of a JSON list may share a line
        final = np.empty(order.size, dtype=np.int64)
        final[order] = np.arange(order.size)
        facts = {key: values[order] for key, values in facts.items()}
        self.logged.finish(final, with_tokens="tokens" in self.resolved.numbers or self.tokens_vary)
        self.extra.finish(order)
        ends = Ends(facts["step"], facts["value"], facts["status"])
        numbers = order.tolist()
        return Runs(
            shape=self.shape,
            run_ids=[self.run_ids[number] for number in numbers],
            names=[self.names[number] for number in numbers],
            corpora=[self.corpora[number] for number in numbers],
            n_params=facts["n_params"],
            n_tokens=facts["n_tokens"],
            compute_flop=facts["compute_flop"],
            extra=self.extra,
            values=self.logged,
            ends=ends,
            n_refused=self.n_refused,
            problems=tuple(problems),
            warnings=tuple(self._warnings(facts, ends, doubled)),
        )

    def _warnings(self, facts: dict[str, np.ndarray], ends: Ends, doubled: list[str]) -> list[str]:
        warnings = [*self.source.warnings, *doubled]
        for metric, found in self.repeats.items():
            if found.count:
                lines = [line for _, _, line in found.first]
                warnings.append(repeats_warning(metric, found.count, lines, found.differing))
        told = Table(self.source.path, self.source.format, {}, facts["last_line"].tolist(), 0)
        every = np.arange(facts["last_line"].size)
        check_units(
            told, self.mapping, warnings, every, facts["n_params"], facts["n_tokens"], facts["compute_flop"]
        )  # fmt: skip
        if self.kept.varying:
            warnings.append(varying_warning(self.kept.varying))
        warnings += end_warnings(self.mapping, self.resolved, ends)
        unreadable = self.source.n_unreadable - len(self.source.problems)
        if unreadable:
            warnings.append(f"{unreadable} more rows cannot be read; they are counted, not listed.")
        for kind, count in sorted(self.counts.items()):
            if count > len(self.problems[kind]):
                more, reason = count - len(self.problems[kind]), self.problems[kind][0].reason
                warnings.append(f"{more} more problems are counted, not listed: {reason}.")
        return warnings
