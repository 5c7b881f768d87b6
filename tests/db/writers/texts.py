"""Small writers of text logs, and what of a number their print keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tests.db.writers.made import Made, Value

_LETTERS = ("", "K", "M", "B", "T")


def nanotron_number(value: float) -> str:
    """A number as nanotron prints it for people: three digits, and a letter for thousands."""
    rounded = float(f"{value:.3g}")
    place = 0
    while abs(rounded) >= 1000 and place < len(_LETTERS) - 1 and math.isfinite(rounded):
        rounded, place = rounded / 1000, place + 1
    return f"{rounded:f}".rstrip("0").rstrip(".") + _LETTERS[place] if place else f"{rounded:.3g}"


def olmo_number(value: float) -> str:
    """A number as the console of OLMo prints it: four digits, or a whole number, or a letter for billions."""
    if not math.isfinite(value) or value == 0:
        return str(value)
    if value < 0.0001:
        return f"{value:.2E}"
    if value >= 1e9:
        return f"{value / 1e9:.2f}B"
    for above, digits in ((1000, 0), (100, 1), (10, 2), (1, 3)):
        if value >= above:
            return f"{value:.{digits}f}" if digits else f"{int(value):,d}"
    return f"{value:.4f}"


def megatron_number(value: float) -> str:
    """A number as Megatron prints a loss."""
    return f"{value:.6E}"


def titan_number(value: float) -> str:
    """A number as torchtitan prints a loss."""
    return f"{value:8.5f}"


def printed(text: str) -> float:
    """What a number is that was printed so."""
    bare = text.strip().replace(",", "")
    if bare[-1:] in _LETTERS[1:]:
        return float(Decimal(bare[:-1]) * 1000 ** _LETTERS.index(bare[-1]))
    return float(bare)


def megatron(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a log of Megatron-LM."""
    [run] = runs
    lines = ["------------------------ arguments ------------------------"]
    lines += [f"  {name} {'.' * (48 - len(name))} {value}" for name, value in run.config.items()]
    lines.append("-------------------- end of arguments ---------------------")
    lines += [megatron_line(step, row) for step, row in run.rows]
    return _write(folder / "megatron.log", lines)


def megatron_line(step: int, row: Mapping[str, Value]) -> str:
    """A line of an iteration; what is missing is not printed."""
    values = "".join(f" {name}: {megatron_number(value)} |" for name, value in row.items() if value is not None)
    return f" iteration {step:8d}/{10**9:8d} |{values}"


def nanotron(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a log of nanotron."""
    [run] = runs
    prefix = "01/01/2026 00:00:00 [INFO|DP=0|PP=0|TP=0]: "
    settings = ", ".join(f"{name}={value!r}" for name, value in run.config.items())
    lines = [f"{prefix}Config:", f"{prefix}Config(general=GeneralArgs({settings}))"]
    lines += [prefix + nanotron_line(step, row) for step, row in run.rows]
    return _write(folder / "train.log", lines)


def nanotron_line(step: int, row: Mapping[str, Value]) -> str:
    """A line of an iteration."""
    values = "".join(f" | {name}: {nanotron_number(value)}" for name, value in row.items() if value is not None)
    return f"iteration: {step} / {10**9}{values}"


def torchtitan(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a log of torchtitan; every row has a loss."""
    [run] = runs
    prefix = "[rank0]:[titan] 2026-01-01 00:00:00,000 - root - INFO - "
    lines = [f"{prefix}Running with configs: {json.dumps(dict(run.config), indent=2)}"]
    lines += [prefix + titan_line(step, row) for step, row in run.rows]
    return _write(folder / "rank0.log", lines)


def titan_line(step: int, row: Mapping[str, Value]) -> str:
    """A line of a step."""
    return f"step: {step:2}  " + "  ".join(
        f"{name}: {titan_number(value)}" for name, value in row.items() if value is not None
    )


def olmo(folder: Path, runs: Sequence[Made]) -> Path:
    """Write what the console of OLMo-core prints."""
    [run] = runs
    lines = [line for step, row in run.rows for line in olmo_lines(step, row)]
    return _write(folder / "console.log", lines)


def olmo_lines(step: int, row: Mapping[str, Value]) -> list[str]:
    """A block of a step."""
    head = f"2026-01-01 00:00:00 host olmo_core.train.callbacks.console_logger:71 INFO [step={step}/{10**9},epoch=1]"
    return [head, *(f"    {name}={olmo_number(value)}" for name, value in row.items() if value is not None)]


def olmo_saved(folder: Path, runs: Sequence[Made]) -> Path:
    """Write the metrics that OLMo-core saves, with the settings beside them."""
    [run] = runs
    for step, row in run.rows:
        (folder / f"metrics_step{step}.json").write_text(json.dumps(dict(row)))
    (folder / "config.json").write_text(json.dumps(dict(run.config)))
    return folder


def _write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
