"""Recommendations and published laws as rows: one object for programs, tables and sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.rows import Rows
from scaling.formatting import format_count, format_interval, format_number, format_percent


def advice_row(advice: Any) -> dict[str, Any]:
    """Return a recommendation as one row object.

    Parameters
    ----------
    advice : db.tuning_advice.Advice
        The recommendation and what stands beside it.

    Returns
    -------
    dict
        Keys as docs/tuning.md lists them.
    """
    said, one = advice.recommendation, advice.tuning
    decay = advice.weight_decay
    return {
        "fit": one.name,
        "fits": {part: saved.name for part, saved in one.saved.items()},
        **said.to_dict(),
        "weight_decay": None if decay is None else decay[0],
        "weight_decay_interval": None if decay is None else list(decay[1:]),
        "surface": None if advice.optimum is None else advice.optimum.to_dict() | {"regret": advice.surface_regret},
        "published": [
            rule_row(rule, said.context_length) | {"given_up": cost} for rule, cost in advice.published
        ],
        "fit_verdict": one.laws.verdict,
        "notes": list(advice.notes),
    }  # fmt: skip


def advice_rows(advice: Any) -> Rows:
    """Return a recommendation as a table: its own row first, and under it those of the published laws."""
    said = advice.recommendation
    known = said.context_length is not None
    own = {
        "name": advice.tuning.name, "source": None, "kind": "best", "lr": said.lr, "batch": said.batch,
        "batch_unit": "tokens", "note": f"recommended; verdict: {said.verdict}",
        "sequences": said.batch / said.context_length if known else None, "context_length": said.context_length,
        "given_up": said.expected_regret,
    }  # fmt: skip
    return [own, *advice_row(advice)["published"]]


def advice_text(advice: Any) -> str:
    """Return a recommendation as a text: the setting, what errors cost, and published laws beside it."""
    from reports.terminal import render

    said = advice.recommendation
    lines = [repr(said)]
    if (decay := advice.weight_decay) is not None:
        share = format_percent(said.level)
        lines.insert(3, f"weight decay {format_number(decay[0])} ({share}: {format_interval(*decay[1:])})")
    lines += [f"  - {reason}" for reason in said.reasons]
    if (best := advice.optimum) is not None:
        lines.append(
            f"by the loss of all runs: {best!r}; there the recommendation gives up "
            f"{format_percent(advice.surface_regret)}"
        )
    lines += [f"note: {note}" for note in advice.notes]
    shown = [
        rule_shown(rule, said.context_length) | {"gives up": None if cost is None else format_percent(cost)}
        for rule, cost in advice.published
    ]
    lines += ["", "Published laws for this run, by what they say it would give up if the laws here are right:"]
    return "\n".join([*lines, render(shown, "table").rstrip("\n")])


def published_rows(rules: Sequence[Any], context_length: float | None, batch: float | None) -> Rows:
    """Return published laws as rows; with a batch that is settled, also each learning rate carried over to it.

    Parameters
    ----------
    rules : sequence of scaling.hyperparameters.PublishedRule
        The laws.
    context_length : float, optional
        Tokens of a sequence.
    batch : float, optional
        Tokens a step.

    Returns
    -------
    list of dict
        Keys as docs/tuning.md lists them.
    """
    return [rule_row(rule, context_length) | _carried(rule, batch) for rule in rules]


def published_shown(rules: Sequence[Any], context_length: float | None, batch: float | None) -> Rows:
    """Return published laws as people read them."""
    rows = []
    for rule in rules:
        row, carried = rule_shown(rule, context_length), _carried(rule, batch)
        if batch is not None:
            lr, ratio = carried["lr_at_batch"], carried["batch_ratio"]
            row[f"lr at {format_count(batch)}"] = None if lr is None else format_number(lr)
            row["times its batch"] = None if ratio is None else format_number(ratio, 3)
        rows.append(row | {"note": rule.note})
    return rows


def rule_row(rule: Any, context_length: float | None) -> dict[str, Any]:
    """Return a published law as a row, its batch in tokens and, where their length is known, in sequences."""
    known = rule.batch is not None and context_length
    table: dict[str, Any] = rule.to_dict()
    return table | {"sequences": rule.batch / context_length if known else None, "context_length": context_length}


def rule_shown(rule: Any, context_length: float | None) -> dict[str, Any]:
    """Return a published law as people read it."""
    row = rule_row(rule, context_length)
    table = {
        "law": rule.name,
        "source": rule.source,
        "batch is": rule.kind,
        "lr": None if rule.lr is None else format_number(rule.lr),
        "batch, tokens": None if rule.batch is None else format_count(rule.batch),
    }
    if context_length:
        sequences = None if row["sequences"] is None else format_number(row["sequences"])
        table |= {f"sequences of {format_number(context_length)}": sequences}
    return table


def _carried(rule: Any, batch: float | None) -> dict[str, Any]:
    """Carry the learning rate of a law with a batch of its own over to another one, as the square root of the batch."""
    from scaling.hyperparameters import lr_at_batch

    if batch is None or rule.batch is None:
        return {"batch_ratio": None, "lr_at_batch": None}
    lr = None if rule.lr is None else lr_at_batch(rule.lr, rule.batch, batch)
    return {"batch_ratio": batch / rule.batch, "lr_at_batch": lr}
