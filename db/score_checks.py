"""What does not fit together in the description of models: found, named, and never put right in silence.

False computes are the worst of it: a model that is taken for a small old one is a false star, and a few of those define
the left edge of any boundary. Each check compares a model with others of the same table, so it needs no list of names:

* ``base_size``: the size does not fit the one in the name of its base model (``llama-3-8b`` with 4.6e9 parameters);
* ``size``: the size differs by more than a fifth from the median of its base model;
* ``compute``: the compute differs by more than 0.1 decades from the median of its base model;
* ``architecture``: another architecture than most models of its base model or family have;
* ``version``: the name goes on where that of the base model ends (``phi-1.5`` of ``phi-1``), or a merge whose name has
  no version was given one;
* ``moe_params``: the compute of a mixture of experts counts all experts, as no count of active parameters is known;
* ``moe_range``: active and total parameters give computes a factor of ten or more apart;
* ``compute_6ND``: the compute that is given and 6*N*D are more than 0.1 decades apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.formatting import format_number, format_percent, format_plural

if TYPE_CHECKING:
    from db.store import Store

SIZE_TOLERANCE = 0.2
COMPUTE_TOLERANCE = 0.1  # decades
FAR = 1.0  # decades
_FEWEST = 3  # models of a base before a median or a majority means anything
_NAMED = 6
_SIZE = re.compile(r"(?<![\d.x])(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)
_STEM = re.compile(r"([a-z]+)-?(\d+(?:\.\d+)?)(?![\d.]*b)")  # llama-3 of llama-3-8b
_ENDING = re.compile(
    r"(ForCausalLM|ForConditionalGeneration|ForSequenceClassification|ForRewardModelWithGating|LMHeadModel|Model)M?\Z"
)
_SAID = {
    "base_size": "Size that does not fit the one in the name of the base model",
    "size": f"Size more than {format_percent(SIZE_TOLERANCE)} from the median of the base model",
    "compute": f"Compute more than {COMPUTE_TOLERANCE} decades from the median of the base model",
    "architecture": "Another architecture than most models of the base or family",
    "version": "Perhaps of another version than the base model that is given",
    "moe_params": "Mixture of experts whose compute counts all experts, so it is an upper end",
    "moe_range": "Active and total parameters that give computes a factor of 10 or more apart",
    "compute_6ND": f"Given a compute more than {COMPUTE_TOLERANCE} decades from 6*N*D",
}
Model = dict[str, Any]


def describe_concerns(models: Sequence[Model]) -> tuple[list[list[str]], list[str]]:
    """Check the descriptions of the models of one table.

    Parameters
    ----------
    models : sequence of dict
        By the columns of the table ``models``; None where unknown.

    Returns
    -------
    concerns : list of list of str
        Names of the checks that each model fails.
    warnings : list of str
        The same in sentences, with the names of models, and what is unknown of how many.
    """
    found: list[list[str]] = [[] for _ in models]
    for name, check in _CHECKS.items():
        for i in check(models):
            found[i].append(name)
    warnings = []
    for name in _CHECKS:
        hit = [str(models[i]["name"]) for i, names in enumerate(found) if name in names]
        if hit:
            warnings.append(f"{_SAID[name]} ({name}), {format_plural(len(hit), 'model')}: {_listed(hit)}.")
    return found, [*_unknown(models), *warnings]


def compare_with_store(store: Store, models: Sequence[Model], source_ids: Sequence[str]) -> list[str]:
    """Compare computes with those that other sources in the store give the same models.

    Parameters
    ----------
    store : Store
        An open store.
    models : sequence of dict
        Models of a table, by the columns of the table ``models``.
    source_ids : sequence of str
        Sources that are not compared with: earlier readings of the table.

    Returns
    -------
    list of str
        A sentence where computes differ by more than 0.1 decades; those further apart than a factor of ten come first.
    """
    _, rows = store.query(
        "SELECT lower(name), min(compute_flop), max(compute_flop) FROM models WHERE compute_flop IS NOT NULL "
        "AND NOT list_contains(CAST(? AS VARCHAR[]), source_id) GROUP BY 1",
        [list(source_ids)],
    )
    known = {name: (low, high) for name, low, high in rows}
    apart: dict[str, float] = {}
    for model in models:
        compute, ends = model["compute_flop"], known.get(str(model["name"]).lower())
        if compute is not None and ends is not None:
            apart[str(model["name"])] = max(abs(np.log10(compute / end)) for end in ends)
    far = sorted((name for name, gap in apart.items() if gap > COMPUTE_TOLERANCE), key=lambda name: -apart[name])
    if not far:
        return []
    shown = [f"{name} (a factor of {format_number(10 ** apart[name], 2)})" for name in far]
    n_very = sum(apart[name] > FAR for name in far)
    very = f", {n_very} of them by more than a factor of 10 (all or active parameters?)" if n_very else ""
    return [
        f"Compute more than {COMPUTE_TOLERANCE} decades from that of another source for {len(far)} of {len(apart)} "
        f"models that both describe{very}: {_listed(shown)}."
    ]


def _unknown(models: Sequence[Model]) -> list[str]:
    """How many models lack what a boundary needs."""
    n = len(models)
    if not n:
        return []
    said = []
    computes = [m["compute_flop"] for m in models if m["compute_flop"] is not None]
    lacking = [str(m["name"]) for m in models if m["compute_flop"] is None]
    if lacking:
        said.append(f"No compute for {len(lacking)} of {n} models: {_listed(lacking)}.")
    if len(set(computes)) < len(computes):
        said.append(f"{len(computes)} models share {format_plural(len(set(computes)), 'value')} of compute: many ties.")
    undated = [m for m in models if m["released"] is None]
    if undated:
        changed = sum(m["modified"] is not None for m in undated)
        only = f"; for {changed} of them only that of the last change of the files is known" if changed else ""
        said.append(f"No date of publication for {len(undated)} of {n} models{only}.")
    names = Counter(m["name"] for m in models)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        said.append(
            f"{format_plural(len(repeated), 'name')} of several entries each (precisions, revisions), all of which "
            f"are kept: {_listed(repeated)}."
        )
    return said


def _base_size(models: Sequence[Model]) -> list[int]:
    hits = []
    for i, model in enumerate(models):
        sizes = _SIZE.findall(str(model["base_model"] or ""))
        if len(sizes) != 1 or model["n_params"] is None or float(sizes[0]) == 0:
            continue
        size = float(sizes[0]) * 1e9
        # Names cut sizes off (2b for 2.6e9), so a difference below one billion says nothing.
        if abs(model["n_params"] - size) > max(SIZE_TOLERANCE * size, 1e9):
            hits.append(i)
    return hits


def _off_median(key: str, far: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[Sequence[Model]], list[int]]:
    def check(models: Sequence[Model]) -> list[int]:
        hits: list[int] = []
        for members in _by(models, "base_model").values():
            known = [i for i in members if models[i][key] is not None]
            if len(known) >= _FEWEST:
                values = np.array([models[i][key] for i in known])
                hits += [i for i, hit in zip(known, far(values, float(np.median(values))), strict=True) if hit]
        return sorted(hits)

    return check


def _architecture(models: Sequence[Model]) -> list[int]:
    hits: list[int] = []
    for group in ("base_model", "family"):
        for members in _by(models, group).values():
            kinds = {i: _stem(models[i]["architecture"]) for i in members if models[i]["architecture"]}
            kinds = {i: kind for i, kind in kinds.items() if kind}
            if len(kinds) < _FEWEST:
                continue
            usual, count = Counter(kinds.values()).most_common(1)[0]
            if count > 0.5 * len(kinds):
                hits += [i for i, kind in kinds.items() if kind != usual]
    return sorted(set(hits))


def _version(models: Sequence[Model]) -> list[int]:
    hits = []
    for i, model in enumerate(models):
        match = _STEM.match(str(model["base_model"] or "").lower())
        if match is None:
            continue
        stem, version = match[1], match[2]
        name = str(model["name"]).lower().replace("_", "-")
        after = re.findall(rf"{stem}-?v?(\d+(?:[.-]\d{{1,2}}(?!\d))?)(?![\d.]*b)(?!-?\d*x)", name)
        named = {text.replace("-", ".").removesuffix(".0") for text in after}
        is_merge = bool(model["merged"]) or "merge" in str(model["type"] or "").lower()
        goes_on = any(text != version and text.startswith(f"{version}.") for text in named)
        assumed = is_merge and not named and stem in name
        if goes_on or assumed:
            hits.append(i)
    return hits


def _moe_params(models: Sequence[Model]) -> list[int]:
    return [
        i
        for i, m in enumerate(models)
        if m["moe"] and m["compute_rule"] == "6ND" and m["n_params_active"] is None and m["compute_flop"] is not None
    ]


def _moe_range(models: Sequence[Model]) -> list[int]:
    return [
        i
        for i, m in enumerate(models)
        if m["n_params"] and m["n_params_active"] and m["n_params"] >= 10**FAR * m["n_params_active"]
    ]


def _compute_6nd(models: Sequence[Model]) -> list[int]:
    hits = []
    for i, m in enumerate(models):
        sizes = [size for size in (m["n_params"], m["n_params_active"]) if size]
        if m["compute_rule"] == "given" and sizes and m["n_tokens"]:
            gap = min(abs(np.log10(m["compute_flop"] / (6 * size * m["n_tokens"]))) for size in sizes)
            if gap > COMPUTE_TOLERANCE:
                hits.append(i)
    return hits


_CHECKS: dict[str, Callable[[Sequence[Model]], list[int]]] = {
    "base_size": _base_size,
    "size": _off_median("n_params", lambda values, middle: np.abs(values / middle - 1) > SIZE_TOLERANCE),
    "compute": _off_median(
        "compute_flop", lambda values, middle: np.abs(np.log10(values / middle)) > COMPUTE_TOLERANCE
    ),
    "architecture": _architecture,
    "version": _version,
    "moe_params": _moe_params,
    "moe_range": _moe_range,
    "compute_6ND": _compute_6nd,
}
#: Names of the checks, in order: what the column ``concerns`` holds.
CONCERNS = tuple(_CHECKS)


def _by(models: Sequence[Model], key: str) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for i, model in enumerate(models):
        if model[key] is not None:
            groups.setdefault(str(model[key]), []).append(i)
    return groups


def _stem(architecture: str) -> str:
    """The family that an architecture is named after: ``Qwen2ForCausalLM`` and ``Qwen2Model`` are one."""
    return "" if architecture.lower() in ("?", "unknown", "other") else _ENDING.sub("", architecture)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
