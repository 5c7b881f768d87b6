"""What figures of laws of the critical batch size share: their axis, and published laws along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.batch_size.law_design import JOINT, NEEDS, WORDS
from scaling.batch_size.published import definition_of
from scaling.formatting import format_count, format_number

if TYPE_CHECKING:
    from reports.batch_law_page import LawPage

Array = NDArray[np.float64]
_HELD = 0.02  # spread of a logarithm below which an input was held
_COUPLED = 0.98  # correlation of logarithms from which an input goes with another


def axis_of(page: LawPage) -> str:
    """Return the input that the law is drawn over; of a joint law the tokens."""
    return "D" if page.law.fit.law.name == JOINT else NEEDS[page.law.fit.law.name][0]


def axis_label(name: str, page: LawPage) -> str:
    """Name an input as on an axis."""
    return {"N": "parameters N", "D": f"{page.data_unit} D: {page.tokens_are}", "L": "loss L (nats/token)"}[name]


def same_definition(page: LawPage) -> str:
    """Return the definition of published laws that is that of this law; empty where there is none."""
    return definition_of(page.law)


def companions(page: LawPage, name: str, values: Array, free: bool = False) -> dict[str, Array]:
    """Work out the other inputs along an axis: held, or as they go with it over the points.

    An input that does neither is left out, or with `free` taken at its median.
    """
    at = np.log(page.inputs[name])
    found = {name: values}
    for other, known in page.inputs.items():
        if other == name:
            continue
        logs = np.log(known)
        if np.ptp(logs) < _HELD or (free and np.ptp(at) == 0):
            found[other] = np.full(len(values), math.exp(float(np.median(logs))))
        elif np.ptp(at) > 0 and abs(float(np.corrcoef(at, logs)[0, 1])) > _COUPLED:
            slope, start = np.polyfit(at, logs, 1)
            found[other] = np.exp(start + slope * np.log(values))
        elif free:
            found[other] = np.full(len(values), math.exp(float(np.median(logs))))
    return found


def published_lines(page: LawPage, name: str, values: Array) -> list[tuple[str, str, Array]]:
    """Work published laws out along the axis: name, definition and tokens a step, those that give a number."""
    from scaling.batch_size.published import published_at

    inputs = companions(page, name, values)
    words = {"N": "n_params", "D": "n_tokens", "L": "loss"}
    lines: dict[tuple[str, str], list[float]] = {}
    for i in range(len(values)):
        given = {words[k]: float(v[i]) for k, v in inputs.items()}
        for row in published_at(**given):
            if row.batch_tokens is not None:
                lines.setdefault((row.name, row.definition), []).append(row.batch_tokens)
    return [(*who, np.array(said)) for who, said in lines.items() if len(said) == len(values)]


def held_words(page: LawPage, name: str) -> str:
    """Say what the other inputs are along the axis."""
    ends = np.array([float(page.inputs[name].min()), float(page.inputs[name].max())])
    said = []
    own = companions(page, name, ends)
    for other, values in companions(page, name, ends, free=True).items():
        if other == name or (other not in own and other not in page.needs):
            continue
        write = format_number if other == "L" else format_count
        word = WORDS[other]
        if values[0] == values[1]:
            said.append(f"the {word} are held at {write(values[0])}" if other != "L" else
                        f"the loss is held at {write(values[0])}")  # fmt: skip
        else:
            go = "goes" if other == "L" else "go"
            span = f"{write(values[0])} to {write(values[1])}"
            said.append(f"the {word} {go} from {span} with {WORDS[name]}, as over the points")
    return f" Along the axis {'; '.join(said)}." if said else ""


def axis_unit(name: str) -> str:
    """Return how an input is written in a table and at an axis."""
    return "value" if name == "L" else "count"


def run_names(page: LawPage, targets: Sequence[dict[str, float]]) -> list[str]:
    """Name runs: ``1B parameters, 20B tokens``."""
    out = []
    for target in targets:
        parts = [
            f"{format_count(target[k])} {w}" for k, w in (("N", "parameters"), ("D", page.data_unit)) if k in target
        ]  # fmt: skip
        parts += [f"loss {format_number(target['L'])}"] if "L" in target else []
        out.append(", ".join(parts))
    return out
