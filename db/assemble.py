"""From the rows of a table to whole runs: what is refused, what each run is, and which values it logged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from db.cells import BAD, MISSING, NAN, OK, Numbers, typed_values
from db.checks import Refusals, check_units, check_values
from db.fields import is_loss_name
from db.logged import Block, Logged
from db.mapping import Mapping, MetricSpec
from db.problems import Problem, line_list, summary
from db.readers.table import Table
from db.resolve import Resolved
from scaling.errors import InputDataError
from scaling.formatting import format_plural


@dataclass(frozen=True)
class Runs:
    """Runs ready for the store; arrays have one entry a run, those of `values` one a logged value.

    Parameters
    ----------
    shape : str
        ``long`` or ``wide``.
    run_ids : list of str
        Identifiers.
    names, corpora : list
        Text or None.
    n_params, n_tokens, compute_flop : numpy.ndarray
        NaN where unknown.
    extra : sequence of dict
        Kept columns.
    values : Logged
        The logged values; runs and metrics are numbered from 0.
    ends : Ends
        The last value of the metric that is shown as the loss.
    n_refused : int
        Rows of the file that were left out.
    problems : tuple of Problem
        What was refused.
    warnings : tuple of str
        What else is worth knowing.
    """

    shape: str
    run_ids: list[str]
    names: list[str | None]
    corpora: list[str | None]
    n_params: np.ndarray
    n_tokens: np.ndarray
    compute_flop: np.ndarray
    extra: Sequence[dict[str, Any]]
    values: Logged
    ends: Ends
    n_refused: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Ends:
    """The last value of a metric of each run: its step (-2 where it logged none), the value and its status."""

    step: np.ndarray
    value: np.ndarray
    status: np.ndarray


def metric_kind(spec: MetricSpec) -> str:
    """Kind of a metric: what the mapping says, else by its name."""
    return spec.kind or ("loss" if is_loss_name(spec.metric) or is_loss_name(spec.column) else "other")


def assemble(table: Table, mapping: Mapping, resolved: Resolved) -> Runs:
    """Make runs of rows.

    Parameters
    ----------
    table : Table
        The file.
    mapping : Mapping
        The complete mapping.
    resolved : Resolved
        Its fields and metrics.

    Returns
    -------
    Runs

    Raises
    ------
    InputDataError
        If nothing is left, runs appear twice with different values, the units look mixed, or a log of steps does not
        say which run each row belongs to.
    """
    return Assembler(table, mapping, resolved).run()


class Assembler:
    """The steps from rows to runs; see :func:`assemble`."""

    def __init__(self, table: Table, mapping: Mapping, resolved: Resolved) -> None:
        self.table = table
        self.mapping = mapping
        self.resolved = resolved
        self.warnings = list(table.warnings)
        self.refusals = Refusals(table)
        self.shape = self._shape()
        self.step = self._step()

    def run(self) -> Runs:
        """Take every step."""
        codes, run_ids = self.judge()
        if not run_ids:
            raise nothing_left(self.table.path, (*self.table.problems, *self.refusals.problems))
        values = self._values(codes, run_ids)
        return self._finish(codes, run_ids, values)

    def judge(self) -> tuple[np.ndarray, list[str]]:
        """Refuse what cannot be taken, and number the runs that are left; refused rows have number -1."""
        self.refusals.refuse(*check_values(self.resolved, self.shape))
        for spec in self.mapping.metrics:
            kind = metric_kind(spec)
            self.refusals.check_metric(self.resolved, spec, kind, is_shown=spec.metric == self.mapping.metric)
        numbers, names = self._run_ids()
        codes, run_ids = self._group(numbers, names)
        if self.shape == "wide":
            self._refuse_doubles(codes, run_ids)
        if run_ids:
            before = self.refusals.n_refused
            self._refuse_runs(codes, run_ids)
            if self.refusals.n_refused > before:
                codes, run_ids = self._group(numbers, names)
        return codes, run_ids

    def _shape(self) -> str:
        has_step = "step" in self.resolved.numbers
        shape = self.mapping.shape
        if shape == "auto":
            shape = "long" if has_step else "wide"
        if shape == "long" and not has_step:
            raise InputDataError(
                f"{self.table.path} is to be read with one row a step, but no column is the step.",
                'Say which in a mapping file: [columns] step = "COLUMN"',
            )
        if shape == "long" and "run_id" not in self.resolved.texts:
            step = ", ".join(self.resolved.sources.get("step", ()))
            raise InputDataError(
                f"{self.table.path} has one row a step (column {step}), but no column says which run a row belongs to.",
                'Say which in a mapping file: [columns] run_id = "COLUMN", or several: run_id = ["SIZE", "SEED"]. '
                'If every row is a run of its own: [options] shape = "wide"',
            )
        return shape

    def _step(self) -> np.ndarray:
        """The step of each row; -1 where there is none."""
        numbers = self.resolved.numbers.get("step")
        step = np.full(len(self.table.lines), -1, dtype=np.int64)
        if numbers is not None:
            whole = (numbers.status == OK) & (np.abs(numbers.values) < 2**53)
            step[whole] = numbers.values[whole].astype(np.int64)
        return step

    def _run_ids(self) -> tuple[np.ndarray, list[str]]:
        """Number the identifiers; rows without one have number -1."""
        given = self.resolved.texts.get("run_id")
        if given is None:
            n_rows = len(self.table.lines)
            return np.arange(n_rows), numbered_names(self.table.path, 0, n_rows, n_rows)
        known: dict[str, int] = {}
        numbers = np.array([-1 if text is None else known.setdefault(text, len(known)) for text in given])
        self._refuse_nameless(numbers)
        return numbers, list(known)

    def _refuse_nameless(self, numbers: np.ndarray) -> None:
        column = self.resolved.sources["run_id"][0]
        self.refusals.refuse(self.refusals.rows(numbers < 0, column, "the run has no identifier"))

    def _group(self, numbers: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
        """Number the runs in the order in which they appear; refused rows have number -1."""
        rows = np.flatnonzero(~self.refusals.refused)
        found = numbers[rows]
        first = first_rows(np.where(self.refusals.refused, -1, numbers), len(names))
        there = np.flatnonzero(first >= 0)
        order = there[np.argsort(first[there])]
        final = np.full(len(names), -1, dtype=np.int64)
        final[order] = np.arange(order.size)
        codes = np.full(numbers.size, -1, dtype=np.int64)
        codes[rows] = final[found]
        return codes, [names[number] for number in order.tolist()]

    def _refuse_doubles(self, codes: np.ndarray, run_ids: list[str]) -> None:  # noqa: ARG002 - parts need them
        """One row a run: drop a row that says the same again, stop at one that says something else."""
        cells = list(self.table.columns.values())
        first_of_run: dict[int, int] = {}
        first_of_row: dict[bytes, int] = {}
        repeated: list[int] = []
        conflicts: dict[int, list[int]] = {}
        has_ids = "run_id" in self.resolved.texts
        for row in np.flatnonzero(codes >= 0).tolist():
            content = row_digest([column[row] for column in cells])
            if content in first_of_row:
                repeated.append(row)
                continue
            first_of_row[content] = row
            first = first_of_run.setdefault(int(codes[row]), row)
            if first != row:
                conflicts.setdefault(first, [first]).append(row)
        lines = np.asarray(self.table.lines)
        if conflicts:
            ids = self.resolved.texts["run_id"]
            told = [
                (ids[first] or "", line_list([int(line) for line in lines[rows]]))
                for first, rows in list(conflicts.items())[:5]
            ]
            raise conflicts_error(self.table.path, self.resolved.sources["run_id"], told, len(conflicts))
        if not repeated:
            return
        where = line_list([int(line) for line in lines[repeated]])
        self.warnings.append(repeated_rows_warning(where, are_runs=not has_ids))
        if has_ids:
            codes[repeated] = -1
            self.refusals.drop(np.array(repeated))

    def _refuse_runs(self, codes: np.ndarray, run_ids: list[str]) -> None:
        """Refuse runs that contradict themselves, or lack a size that other runs have."""
        for field in ("n_params", "n_tokens"):
            numbers = self.resolved.numbers.get(field)
            if numbers is None:
                continue
            last = _last_rows(codes, numbers.status == OK, self.step, len(run_ids))
            column = ", ".join(self.resolved.sources.get(field, ())) or None
            lacking = np.flatnonzero((last < 0) & (np.bincount(codes[codes >= 0], minlength=len(run_ids)) > 0))
            if not self.mapping.allow_missing:
                reason = f"{field} is missing"
                self.refusals.refuse_runs(codes, lacking, column, reason)
            if field == "n_params":
                known = np.where(last >= 0, numbers.values[last], np.nan)[codes]
                differs = (codes >= 0) & (numbers.status == OK) & (numbers.values != known)
                reason = "n_params changes within the run; perhaps run_id joins several runs"
                self.refusals.refuse_runs(codes, np.unique(codes[differs]), column, reason)

    def _values(self, codes: np.ndarray, run_ids: list[str]) -> Block:
        """Logged values of every metric, in the order run, metric, step."""
        tokens = self._tokens(codes, run_ids)
        parts: dict[str, list[np.ndarray]] = {key: [] for key in ("run", "metric", "step", "tokens", "value", "status")}
        for index, spec in enumerate(self.mapping.metrics):
            numbers = self.resolved.metrics[spec.metric]
            logged = (codes >= 0) & (numbers.status != BAD)
            if self.shape == "long":
                logged &= numbers.status != MISSING
            rows = self._one_a_step(codes, logged, numbers, spec)
            parts["run"].append(codes[rows])
            parts["metric"].append(np.full(rows.size, index))
            parts["step"].append(self.step[rows])
            parts["tokens"].append(tokens[rows])
            parts["value"].append(np.where(numbers.status[rows] == OK, numbers.values[rows], np.nan))
            parts["status"].append(numbers.status[rows])
        values = {key: np.concatenate(arrays) for key, arrays in parts.items()}
        order = sorted_rows(values["step"], values["metric"], values["run"])
        return values if order is None else {key: array[order] for key, array in values.items()}

    def _one_a_step(self, codes: np.ndarray, logged: np.ndarray, numbers: Numbers, spec: MetricSpec) -> np.ndarray:
        """Rows to keep of a metric: of several values of one step, the last in the file."""
        rows: np.ndarray = np.flatnonzero(logged)
        order = sorted_rows(self.step[rows], codes[rows])
        rows = rows if order is None else rows[order]
        if self.shape == "wide" or rows.size == 0:
            return rows
        same = (codes[rows[1:]] == codes[rows[:-1]]) & (self.step[rows[1:]] == self.step[rows[:-1]])
        if not same.any():
            return rows
        before, after = rows[:-1][same], rows[1:][same]
        equal = (numbers.values[before] == numbers.values[after]) | (
            (numbers.status[before] == NAN) & (numbers.status[after] == NAN)
        )
        self._repeated(spec, codes, int(same.sum()), after[~equal])
        kept: np.ndarray = rows[np.append(~same, True)]
        return kept

    def _repeated(self, spec: MetricSpec, codes: np.ndarray, count: int, differing: np.ndarray) -> None:  # noqa: ARG002
        """Say that steps of a metric are there twice."""
        lines = [int(self.table.lines[row]) for row in differing[:9].tolist()]
        self.warnings.append(repeats_warning(spec.metric, count, lines, differing.size))

    def _tokens(self, codes: np.ndarray, run_ids: list[str]) -> np.ndarray:
        """Tokens seen by the step of each row: NaN where the log has only a total for the run."""
        nothing = np.full(codes.shape, np.nan)
        if "tokens" in self.resolved.numbers:
            return _ok_values(self.resolved.numbers["tokens"])
        numbers = self.resolved.numbers.get("n_tokens")
        if numbers is None:
            return nothing
        if self.shape == "wide":
            return _ok_values(numbers)
        last = _last_rows(codes, numbers.status == OK, self.step, len(run_ids))
        final = np.where(last >= 0, numbers.values[last], np.nan)[codes]
        changes = (codes >= 0) & (numbers.status == OK) & (numbers.values != final)
        # A total that is the same on every row is a property of the run, not a count that grows with the steps.
        return _ok_values(numbers) if changes.any() else nothing

    def _finish(self, codes: np.ndarray, run_ids: list[str], values: Block) -> Runs:
        last = self._last(codes, len(run_ids))
        n_params, n_tokens, compute_flop = self._sizes(last, codes)
        check_units(self.table, self.mapping, self.warnings, last, n_params, n_tokens, compute_flop)
        extra = self._extra(codes, len(run_ids))
        texts = self.resolved.texts
        ends = self._ends(values, len(run_ids))
        self.warnings += end_warnings(self.mapping, self.resolved, ends)
        logged = Logged()
        logged.append(values)
        return Runs(
            shape=self.shape,
            run_ids=run_ids,
            names=[texts["name"][row] if "name" in texts else None for row in last],
            corpora=[texts["corpus"][row] if "corpus" in texts else None for row in last],
            n_params=n_params,
            n_tokens=n_tokens,
            compute_flop=compute_flop,
            extra=extra,
            values=logged,
            ends=ends,
            n_refused=self.refusals.n_refused + len(self.table.problems),
            problems=(*self.table.problems, *self.refusals.problems),
            warnings=tuple(self.warnings),
        )

    def _last(self, codes: np.ndarray, n_runs: int) -> np.ndarray:
        """The row that says what each run is: its last with a loss, or else its last."""
        logged = (codes >= 0) & (self.resolved.metrics[self.mapping.metric or ""].status < MISSING)
        last = _last_rows(codes, logged, self.step, n_runs)
        return (
            last if (last >= 0).all() else np.where(last >= 0, last, _last_rows(codes, codes >= 0, self.step, n_runs))
        )

    def _sizes(self, last: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Parameters, tokens and compute of each run."""
        tokens_field = "tokens" if "tokens" in self.resolved.numbers else "n_tokens"
        n_params, n_tokens, compute_flop = (
            self._at(last, codes, field) for field in ("n_params", tokens_field, "compute_flop")
        )
        return n_params, n_tokens, compute_flop

    def _ends(self, values: Block, n_runs: int) -> Ends:
        """The last value of the loss of each run."""
        shown = [spec.metric for spec in self.mapping.metrics].index(self.mapping.metric or "")
        mine = np.flatnonzero(values["metric"] == shown)
        last = np.full(n_runs, -1, dtype=np.int64)
        last[values["run"][mine]] = mine  # sorted by step, so the last step stays
        there = last >= 0
        step, value, status = np.full(n_runs, -2), np.full(n_runs, np.nan), np.full(n_runs, MISSING)
        step[there], value[there], status[there] = (values[key][last[there]] for key in ("step", "value", "status"))
        return Ends(step, value, status)

    def _at(self, last: np.ndarray, codes: np.ndarray, field: str) -> np.ndarray:
        """A field at the last step of each run, or its last known value before."""
        numbers = self.resolved.numbers.get(field)
        if numbers is None:
            return np.full(last.size, np.nan)
        there = numbers.status[last] == OK
        rows = last
        if not there.all():
            rows = np.where(there, last, _last_rows(codes, numbers.status == OK, self.step, last.size))
        values = np.where(rows >= 0, numbers.values[rows], np.nan)
        return np.where(values > 0, values, np.nan)

    def taken(self, codes: np.ndarray) -> np.ndarray:
        """Rows that are taken, by run and step."""
        rows = np.flatnonzero(codes >= 0)
        order = sorted_rows(self.step[rows], codes[rows])
        return rows if order is None else rows[order]

    def _extra(self, codes: np.ndarray, n_runs: int) -> list[dict[str, Any]]:
        """Columns that no mapping names, with their value at the last step that has one."""
        named = named_columns(self.mapping, self.resolved.sources)
        extra: list[dict[str, Any]] = [{} for _ in range(n_runs)]
        rows = self.taken(codes).tolist()
        code_list = codes.tolist()
        stepwise = {spec.column for spec in self.mapping.metrics}
        varying = []
        for column, cells in self.table.columns.items():
            if column in named:
                continue
            typed = typed_values(cells)
            if is_nothing(column, not any(value is not None for value in typed)):
                continue
            varies = False
            for row in rows:
                value = typed[row]
                kept = extra[code_list[row]]
                if value is None:
                    kept.setdefault(column, None)
                    continue
                varies = varies or kept.get(column, value) != value
                kept[column] = value
            if varies and column not in stepwise:
                varying.append(column)
        if varying:
            self.warnings.append(varying_warning(varying))
        return extra


def nothing_left(path: str, problems: Sequence[Problem]) -> InputDataError:
    """Say that every row is refused."""
    return InputDataError(
        f"Every row of {path} is refused; nothing was changed.\n{summary(problems)}",
        "Fix these rows, or say in a mapping file which columns hold what.",
    )


def numbered_names(path: str, start: int, stop: int, n_rows: int) -> list[str]:
    """Names of some of the rows of a file that says none."""
    stem, width = Path(path).name.split(".")[0], len(str(n_rows))
    return [f"{stem}-{row + 1:0{width}d}" for row in range(start, stop)]


def row_digest(cells: Sequence[Any]) -> bytes:
    """What stands for the texts of a row, which together would take more memory than the table."""
    return hashlib.blake2b(repr([str(cell) for cell in cells]).encode(errors="surrogatepass"), digest_size=16).digest()


def conflicts_error(
    path: str, columns: tuple[str, ...], told: Sequence[tuple[str, str]], n_conflicts: int
) -> InputDataError:
    """Say that runs stand in a table twice; `told` has the first of them, and the lines of each."""
    runs = "\n".join(f"  {name}: {lines}" for name, lines in told)
    more = f"\n  and {n_conflicts - len(told)} more" if n_conflicts > len(told) else ""
    return InputDataError(
        f"Runs stand in {path} twice (column {', '.join(columns)}), with different values:\n{runs}{more}",
        "Remove all but one. If the rows are steps of one run, say so in a mapping file: "
        '[columns] step = "COLUMN". '
        'If they are different runs, make their identifier finer: run_id = ["COLUMN", "COLUMN"]',
    )


def repeated_rows_warning(where: str, *, are_runs: bool) -> str:
    """Say that rows of a table with one row a run stand there twice."""
    if are_runs:
        return (
            f"Rows that repeat an earlier row exactly: {where}. Nothing identifies the runs, so all "
            "rows were kept; they weigh double in a fit."
        )
    return f"Rows that repeat an earlier row exactly were dropped: {where}."


def repeats_warning(metric: str, count: int, lines: list[int], differing: int) -> str:
    """Say that rows log a step of their run again; `lines` are the first of those that say something else."""
    if differing:
        return (
            f"{metric}: rows that log a step of their run again, with another value: "
            f"{line_list(lines, count=differing)}. "
            "The later row was kept, as after a restart; if these are different runs, make run_id finer."
        )
    return f"{metric}: rows that repeat a step were dropped ({count} in all)."


def varying_warning(columns: list[str]) -> str:
    """Say which kept columns change within a run."""
    return (
        f"Columns that change within a run were kept with their value at its last step: {', '.join(columns)}. "
        "Name a column in [metrics] to keep every step."
    )


def is_nothing(column: str, is_empty: bool) -> bool:
    """Whether a column has no name and no content, such as a comma at the end of each line makes."""
    return is_empty and column.startswith("column_")


def sorted_rows(*keys: np.ndarray) -> np.ndarray | None:
    """Order by several keys, the last the first to sort by, and then by position; None where it is so already."""
    unsorted = np.zeros(max(keys[0].size - 1, 0), dtype=bool)
    for key in keys:
        before, after = key[:-1], key[1:]
        unsorted = (before > after) | ((before == after) & unsorted)
    return np.lexsort(keys) if unsorted.any() else None


def named_columns(mapping: Mapping, sources: dict[str, tuple[str, ...]]) -> set[str]:
    """Columns behind the fields and the metrics.

    Other losses that were only guessed stay kept columns too, and so do the parts of an identifier made of several
    columns: nothing else says what they were.
    """
    guessed = {
        spec.metric
        for spec in mapping.metrics
        if spec.metric != mapping.metric and mapping.origins.get(spec.metric) == "guessed from the name"
    }
    return {
        column
        for what, columns in sources.items()
        if what not in guessed and (what != "run_id" or len(columns) == 1)
        for column in columns
    }


def end_warnings(mapping: Mapping, resolved: Resolved, ends: Ends) -> list[str]:
    """Say which runs ended without a finite loss, and which quantities the file lacks."""
    warnings = []
    for code, word in ((NAN, "NaN"), (2, "inf"), (3, "-inf")):
        count = int((ends.status == code).sum())
        if count:
            warnings.append(
                f"{format_plural(count, 'run')} ended with {mapping.metric} = {word}: no loss, status kept."
            )
    count = int((ends.status == MISSING).sum())
    if count:
        warnings.append(f"{format_plural(count, 'run')} without any {mapping.metric}.")
    for field in ("n_params", "n_tokens"):
        if field not in resolved.numbers and not (field == "n_tokens" and "tokens" in resolved.numbers):
            warnings.append(f"No column is {field}; laws that need it cannot be fitted.")
    return warnings


def _ok_values(numbers: Numbers) -> np.ndarray:
    return np.where(numbers.status == OK, numbers.values, np.nan)


def first_rows(codes: np.ndarray, n_runs: int) -> np.ndarray:
    """First row of each run; -1 where a run has none."""
    rows = np.flatnonzero(codes >= 0)[::-1]
    first = np.full(n_runs, -1, dtype=np.int64)
    first[codes[rows]] = rows  # of several rows of a run, the assignment that comes last stays
    return first


def _last_rows(codes: np.ndarray, wanted: np.ndarray, step: np.ndarray, n_runs: int) -> np.ndarray:
    """Row of the last step of each run among the wanted rows; -1 where a run has none."""
    rows = np.flatnonzero(wanted & (codes >= 0))
    order = sorted_rows(step[rows], codes[rows])
    rows = rows if order is None else rows[order]
    last = np.full(n_runs, -1, dtype=np.int64)
    last[codes[rows]] = rows  # of several rows of a run, the assignment that comes last stays
    return last
