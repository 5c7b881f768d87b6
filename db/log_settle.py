"""What follows from sources that were read: the last word of each step, facts by rules, which metric is the loss."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from db.facts.derive import Facts, Logged, derive, no_compute
from db.facts.read import Settings
from db.facts.rules import STEPS_COUNTED, TOKENS_PERHAPS, TOKENS_SEEN
from db.log_json import to_json
from db.log_names import choose_loss
from db.log_read import Metrics, RunRead, SourceRead
from db.log_stage import Growth, Stage
from db.version import package_version
from scaling.errors import InputDataError
from scaling.formatting import format_number, format_plural

_NAMED = 3


def finish(reads: list[SourceRead], stage: Stage, metrics: Metrics, wanted: str | None) -> dict[int, InputDataError]:
    """Settle what was staged, and find facts and losses.

    Parameters
    ----------
    reads : list of SourceRead
        All that is in the stage.
    stage : Stage
        Settled by this.
    metrics : Metrics
        Numbers of metrics.
    wanted : str, optional
        Metric to show as the loss.

    Returns
    -------
    dict of int to InputDataError
        Sources, by their place in the list, whose loss could not be chosen, and why.
    """
    counts = stage.settle(metrics.names)
    by_number = {run.number: run for read in reads for run in read.runs.values()}
    finite: dict[int, dict[str, float]] = {number: {} for number in by_number}
    for one in stage.last_values():
        if one.run in by_number:  # not of a source that failed
            name = metrics.names[one.metric]
            by_number[one.run].last[name] = one.value
            if one.finite is not None:
                finite[one.run][name] = one.finite
    grown: dict[int, list[Growth]] = {number: [] for number in by_number}
    counting = _counting(metrics.names)
    for growth in stage.growth([metrics.number(name) for name in counting]):
        if growth.run in by_number:
            grown[growth.run].append(growth)
    for number, run in by_number.items():
        run.counts = counts.get(number)
        names = [(metrics.names[growth.metric], growth) for growth in grown[number]]
        logged = Logged(
            finite[number],
            frozenset(name for name, growth in names if growth.counts),
            frozenset(name for name, growth in names if growth.grew),
            run.counts.last_step if run.counts else None,
            frozenset(finite[number].keys() & set(counting)) - {name for name, _ in names},
        )
        _find_facts(run, logged)
    batch: dict[int, float] = {}
    counters: dict[int, tuple[int, float]] = {}
    for number, run in by_number.items():
        size = run.facts.facts.get("batch_tokens") if run.facts else None
        if run.counter is not None:
            metric, factor = run.counter
            counters[number] = metrics.number(metric), factor
        if size is not None and (run.counter is None or run.counter[1] == 1):
            batch[number] = float(size.value)
    stage.count_tokens(batch, counters)
    digests = stage.digests()
    failed: dict[int, InputDataError] = {}
    for place, read in enumerate(reads):
        for run in read.runs.values():
            run.digest = _digest(run, digests.get(run.number, ""))
        _tell(read)
        try:
            _choose(read, wanted)
        except InputDataError as error:
            failed[place] = InputDataError(f"{read.source.shown}: {error.message}", error.hint)
    return failed


def _find_facts(run: RunRead, logged: Logged) -> None:
    """Facts by the rules, and which metric counts the tokens."""
    one = run.described
    run.facts = derive(one.config, one.summary, one.about, logged, finished=one.state == "finished")
    tokens = run.facts.facts.get("n_tokens")
    if tokens is not None and tokens.keys[0].startswith("logged "):
        by_steps = tokens.rule.startswith("steps by")
        factor = float(run.facts.facts["batch_tokens"].value) if by_steps else 1.0
        run.counter = tokens.keys[0].removeprefix("logged "), factor


def _counting(names: Sequence[str]) -> list[str]:
    """Metrics that may count tokens or steps, by their names."""
    settings = Settings({"logged": dict.fromkeys(names, 0)})
    wanted = (*TOKENS_SEEN, *TOKENS_PERHAPS, *STEPS_COUNTED)
    return sorted({entry.key.removeprefix("logged ") for name in wanted for entry in settings.find(name)})


def _digest(run: RunRead, values: str) -> str:
    one = run.described
    settings = [dict(sorted(part.items())) for part in (one.config, one.summary, one.about)]
    said = [package_version(), one.name, one.state, *settings, values, sorted(run.metrics)]
    return hashlib.sha256(to_json(said).encode()).hexdigest()


def _tell(read: SourceRead) -> None:
    """Say what was logged twice or void, over all runs of the source."""
    counts = [run.counts for run in read.runs.values() if run.counts is not None]
    repeated = sum(one.n_repeated for one in counts)
    voided = sum(one.n_voided for one in counts)
    if repeated:
        runs = format_plural(sum(one.n_repeated > 0 for one in counts), "run")
        read.notes.append(
            f"{format_plural(repeated, 'value')} of {runs} stood at a step that was logged again; the last was kept."
        )
    if voided:
        runs = format_plural(sum(one.n_voided > 0 for one in counts), "run")
        first = min(one.first_voided for one in counts if one.n_voided and one.first_voided is not None)
        read.notes.append(
            f"{format_plural(voided, 'value')} of {runs} lay beyond a step from which the run was started again, the "
            f"first at step {first}; they are left out."
        )


def _choose(read: SourceRead, wanted: str | None) -> None:
    if not read.runs:
        return
    # Of a metric that was logged, nothing may be left: all of it may lie beyond a step that was started again.
    counts: Counter[str] = Counter(metric for run in read.runs.values() for metric in run.last)
    read.metric, why = choose_loss(counts, wanted)
    if read.metric is None:
        read.notes.append(f"Without a loss: {why}.")
        return
    others: Counter[str] = Counter()
    for run in read.runs.values():
        run.metric = read.metric
        if read.metric not in run.last and (own := _own_loss(run)):
            run.metric = own
            others[own] += 1
    lacking = len(read.runs) - counts[read.metric] - others.total()
    more = [f"{metric} of {format_plural(n, 'run')} without it" for metric, n in others.items()]
    more += [f"{format_plural(lacking, 'run')} without any"] if lacking else []
    read.notes.append(f"Shown as the loss: {', '.join([f'{read.metric} ({why})', *more])}.")


def _own_loss(run: RunRead) -> str | None:
    """The loss of a run that lacks that of the others; a fit takes runs of one metric only, or is told which."""
    try:
        return choose_loss(dict.fromkeys(run.last, 1), None)[0]
    except InputDataError:
        return None


def fact_lines(
    read: SourceRead, names: Mapping[str, str], by_hand: Mapping[str, Mapping[str, float | str]], limit: int = 20
) -> list[tuple[str, str]]:
    """Say which key gave which fact by which rule, what is missing and what disagrees, over the runs of a source.

    Parameters
    ----------
    read : SourceRead
        The source.
    names : mapping of str to str
        Identifiers of its runs, by key.
    by_hand : mapping of str to mapping
        By identifier, what was set of runs by hand, which goes before what their log says.
    limit : int, default 20
        Lines of what is known, and of what is not.

    Returns
    -------
    list of (str, str)
        What is said, and of how many runs, with a value or a few of the runs.
    """
    told: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for key, run in read.runs.items():
        if run.facts is None:
            continue
        hand = by_hand.get(names[key], {})
        for name, value in hand.items():
            told.setdefault(f"{name} <- set by hand", []).append(_shown(value))
        for fact in run.facts.facts.values():
            if fact.name not in hand:
                keys = ["last step" if key.startswith("last step ") else key for key in fact.keys]
                told.setdefault(f"{fact.name} <- {', '.join(keys)}: {fact.rule}", []).append(_shown(fact.value))
        for line in _lacking(run.facts, hand):
            lacking.setdefault(line, []).append(names[key])
    lines = []
    for line, values in list(told.items())[:limit]:
        several = len(set(values)) > 1
        lines.append((line, f"{format_plural(len(values), 'run')}, {'such as ' if several else ''}{values[0]}"))
    for line, runs in list(lacking.items())[:limit]:
        lines.append((line, format_plural(len(runs), "run") + (some_of(runs) if len(read.runs) > 1 else "")))
    left = max(0, len(told) - limit) + max(0, len(lacking) - limit)
    return [*lines, (f"and {left} more of this", "of each run: scaling show RUN")] if left else lines


def some_of(names: Sequence[str]) -> str:
    """Name the first three of these, after their count."""
    return f"{': ' if len(names) <= _NAMED else ', such as '}{', '.join(names[:_NAMED])}"


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else format_number(value)


def _lacking(facts: Facts, by_hand: Mapping[str, float | str]) -> list[str]:
    """What is missing or in doubt of a run and was not set by hand."""
    missing = {name: why for name, why in facts.missing.items() if name not in by_hand}
    if "compute_flop" in missing and missing["compute_flop"] == no_compute(facts.facts):
        why = no_compute({*facts.facts, *by_hand})
        if why is None:
            del missing["compute_flop"]  # it is 6 N D now
        else:
            missing["compute_flop"] = why
    doubts = [f"{name} is in doubt: {why}" for name, why in facts.notes.items() if name not in by_hand]
    return [*(f"{name} is missing: {why}" for name, why in missing.items()), *doubts]
