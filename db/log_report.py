"""What is told of one log: what became of it, and how its first runs look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from db.log_read import SourceRead
from db.problems import Problem
from scaling.formatting import format_plural

_SHOWN = 5


@dataclass(frozen=True)
class LogReport:
    """What became of one source.

    Parameters
    ----------
    path : str
        Where it lies.
    format : str
        Name of its format.
    status : str
        ``ingested``, ``replaced``, ``unchanged``, ``seen`` (nothing was to be written) or ``failed``.
    source_id : str or None
        Identifier of the source.
    n_runs, n_values, n_scores, n_refused : int
        Runs, logged values and scores in it, and what was refused.
    n_new, n_grown, n_unchanged, n_removed : int
        Runs that were new, were replaced because they grew or changed, stayed as they were, and are no longer in it.
    metric : str or None
        Metric that is shown as the loss.
    facts : tuple of str
        Which key gave which fact by which rule, and what is missing; of how many runs.
    facts_alike : tuple of str
        The same without what is of these runs alone, to be counted over many logs.
    problems : tuple of Problem
        What was refused.
    notes : tuple of str
        What else is worth knowing.
    error : str or None
        Why it could not be read.
    shrunk : str or None
        Which runs have fewer values than when it was read before.
    run_ids : tuple of str
        Identifiers of its runs.
    preview : tuple of dict
        The first runs, and scores, as they would stand in the store.
    """

    path: str
    format: str
    status: str
    source_id: str | None = None
    n_runs: int = 0
    n_values: int = 0
    n_scores: int = 0
    n_refused: int = 0
    n_new: int = 0
    n_grown: int = 0
    n_unchanged: int = 0
    n_removed: int = 0
    metric: str | None = None
    facts: tuple[str, ...] = field(default=(), repr=False)
    facts_alike: tuple[str, ...] = field(default=(), repr=False)
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    error: str | None = None
    shrunk: str | None = None
    run_ids: tuple[str, ...] = field(default=(), repr=False)
    preview: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    def to_row(self) -> dict[str, Any]:
        """The report as a row of plain values, without sentences."""
        names = ("source_id", "path", "format", "status", "n_runs", "n_values", "n_scores", "n_refused")
        more = ("n_new", "n_grown", "n_unchanged", "n_removed", "metric")
        return {name: getattr(self, name) for name in (*names, *more)}

    def __str__(self) -> str:
        if self.status == "failed":
            return f"{self.path}: {self.error}" if not (self.error or "").startswith(self.path) else str(self.error)
        if self.status == "unchanged" and not self.n_values:
            return f"{self.path}: unchanged (source {self.source_id})."
        parts = []
        if self.n_runs:
            parts.append(f"{format_plural(self.n_runs, 'run')} with {format_plural(self.n_values, 'value')}")
        if self.n_scores:
            parts.append(format_plural(self.n_scores, "score"))
        for count, what in ((self.n_grown, "changed"), (self.n_unchanged, "unchanged"), (self.n_removed, "removed")):
            if count:
                parts.append(f"{count} {what}")
        if self.n_refused:
            parts.append(f"{self.n_refused} refused")
        parts = parts or ["nothing in it yet"]
        where = f" (source {self.source_id})" if self.source_id and self.status != "seen" else ""
        less = f" {self.shrunk}" if self.shrunk else ""
        return f"{self.path}: {self.format}, {', '.join(parts)}{where}.{less}"


def preview_of(read: SourceRead, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Give the first runs of a source with their facts and last loss, or its first scores.

    Parameters
    ----------
    read : SourceRead
        The source.
    names : mapping of str to str
        Identifiers of its runs, by key.

    Yields
    ------
    dict
        A row to print.
    """
    for key, run in list(read.runs.items())[:_SHOWN]:
        found = {name: fact.value for name, fact in run.facts.facts.items()} if run.facts else {}
        counts = run.counts
        yield {
            "run_id": names[key],
            **{name: found.get(name) for name in ("n_params", "n_tokens", "compute_flop", "batch_tokens", "corpus")},
            "loss": run.last.get(run.metric or ""),
            "step": counts.last_step if counts else None,
            "n_values": counts.n_values if counts else 0,
            "state": run.described.state,
        }
    for score in read.scores[: _SHOWN if not read.runs else 0]:
        yield {"model": score.model, "task": score.task, "metric": score.metric, "score": score.value}
