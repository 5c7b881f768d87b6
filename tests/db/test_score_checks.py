"""Descriptions of models that do not fit together are found and named; nothing is put right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.score_checks import CONCERNS, describe_concerns
from db.score_ingest import ingest_scores, plan_scores
from db.scores import load_scores
from db.store import Store

_UNKNOWN = dict.fromkeys(
    ("base_model", "family", "type", "architecture", "n_params", "n_params_active", "n_tokens", "compute_flop",
     "compute_rule", "released", "modified", "merged", "moe")
)  # fmt: skip


def model(name: str, **known: Any) -> dict[str, Any]:
    return {"name": name, **_UNKNOWN, **known}


def concerns(*models: dict[str, Any]) -> dict[str, list[str]]:
    found, _ = describe_concerns(models)
    return {m["name"]: names for m, names in zip(models, found, strict=True) if names}


def test_a_size_that_fits_neither_the_name_of_its_base_nor_its_siblings() -> None:
    base = [model(f"a{i}", base_model="llama-3-8b", n_params=8.03e9) for i in range(3)]
    halved = model("quantised", base_model="llama-3-8b", n_params=4.6e9)
    assert concerns(*base, halved) == {"quantised": ["base_size", "size"]}
    # Names cut sizes off, and experts have no size of their own in them.
    fine = [model("gemma", base_model="gemma-2-2b", n_params=2.61e9)]
    fine += [
        model("mixtral", base_model="mixtral-8x7b", n_params=46.7e9),
        model("zero", base_model="x-0b", n_params=1e8),
    ]
    assert concerns(*fine) == {}


def test_a_compute_that_differs_from_that_of_its_base() -> None:
    base = [model(f"a{i}", base_model="qwen", n_params=32e9, compute_flop=3.5e24) for i in range(3)]
    first = model("tagged-first", base_model="qwen", n_params=32e9, compute_flop=3.9e23)
    near = model("near", base_model="qwen", n_params=32e9, compute_flop=3.2e24)
    assert concerns(*base, first, near) == {"tagged-first": ["compute"]}


def test_another_architecture_than_the_family_has() -> None:
    bloom = [model(f"b{i}", family="bloom", architecture="BloomForCausalLM") for i in range(3)]
    other = model("bloom-14b-stock", family="bloom", architecture="LlamaForCausalLM")
    assert concerns(*bloom, other) == {"bloom-14b-stock": ["architecture"]}
    qwen = [model(f"q{i}", family="qwen", architecture="Qwen2ForCausalLM") for i in range(2)]
    assert concerns(*qwen, model("headless", family="qwen", architecture="Qwen2Model")) == {}
    assert concerns(*qwen, model("unknown", family="qwen", architecture="?")) == {}


@pytest.mark.parametrize(
    ("name", "base", "merged", "hit"),
    [
        ("microsoft/phi-1_5", "phi-1-1b", False, True),
        ("microsoft/phi-1", "phi-1-1b", False, False),
        ("x/Llama3.1-8B-tuned", "llama-3-8b", False, True),
        ("x/Llama-3-8B-tuned", "llama-3-8b", False, False),
        ("x/QwenStock-14B", "qwen1-14b", True, True),
        ("Qwen/Qwen-14B", "qwen1-14b", False, False),
        ("x/Qwen2.5-14B-merge", "qwen2.5-14b", True, False),
        ("openai/o3-2025-04-16_high", "o3", False, False),
        ("gpt-4-0613", "gpt-4", False, False),
        ("x/Mistral-7B-merge", "mistral-7b", True, False),
    ],
)
def test_a_name_of_another_version_than_its_base(name: str, base: str, merged: bool, hit: bool) -> None:
    assert (concerns(model(name, base_model=base, merged=merged)) == {name: ["version"]}) is hit


def test_experts_and_computes_that_are_counted_in_two_ways() -> None:
    total = model("total", moe=True, n_params=30e9, n_tokens=36e12, compute_flop=6.48e24, compute_rule="6ND")
    both = total | {"name": "both", "n_params_active": 3e9, "compute_rule": "6ND of the active parameters"}
    given = model("given", n_params=90e9, n_tokens=9e12, compute_flop=2.5e23, compute_rule="given")
    active = model(
        "active", n_params=30e9, n_params_active=3e9, n_tokens=1e12, compute_flop=1.8e22, compute_rule="given"
    )
    assert concerns(total, both, given, active) == {
        "total": ["moe_params"], "both": ["moe_range"], "given": ["compute_6ND"], "active": ["moe_range"],
    }  # fmt: skip


def test_what_is_unknown_is_counted() -> None:
    known = {"compute_flop": 1e22, "compute_rule": "given"}
    _, said = describe_concerns(
        [model("a", modified="2025-01-01", **known), model("a", released="2024-01-01", **known), model("b")]
    )
    assert said == [
        "No compute for 1 of 3 models: b.",
        "2 models share 1 value of compute: many ties.",
        "No date of publication for 2 of 3 models; for 1 of them only that of the last change of the files is known.",
        "1 name of several entries each (precisions, revisions), all of which are kept: a.",
    ]


def test_active_parameters_count_where_they_are_known(store: Store, write: Callable[..., Path]) -> None:
    table = "model,n_params,active_params,tokens,acc\nqwen3-30b-a3b,30.5e9,3e9,36e12,0.5\nzero,1e9,,0,0.4\n"
    assert "n_tokens is 0 or below in 1 row: taken as unknown." in plan_scores(write(table)).warnings
    ingest_scores(store, write(table))
    _, rows = store.query(
        "SELECT model, compute_flop, compute_rule, compute_low, compute_high, concerns FROM scores ORDER BY 1"
    )
    assert rows == [
        ("qwen3-30b-a3b", 6.48e23, "6ND of the active parameters", 6.48e23, 6.588e24, "moe_range"),
        ("zero", None, None, None, None, None),
    ]  # fmt: skip


def test_two_tables_that_count_parameters_differently(store: Store, write: Callable[..., Path]) -> None:
    ingest_scores(store, write("model,C,harness,acc\nQwen3-30B-A3B,6.588e24,one,0.5\nsame,1e22,one,0.2\n", "one.csv"))
    report = ingest_scores(
        store, write("model,C,harness,acc\nqwen3-30b-a3b,6.48e23,two,0.6\nsame,1.1e22,two,0.3\n", "two.csv")
    )
    assert report.warnings[-1] == (
        "Compute more than 0.1 decades from that of another source for 1 of 2 models that both describe, 1 of them by "
        "more than a factor of 10 (all or active parameters?): qwen3-30b-a3b (a factor of 10)."
    )
    assert store.query("SELECT count(DISTINCT compute_flop) FROM models WHERE name ILIKE 'qwen3%'")[1] == [(2,)]


def test_concerns_are_kept_and_can_be_excluded(store: Store, write: Callable[..., Path]) -> None:
    rows = "".join(f"a{i},llama-3-8b,8.03e9,15e12,0.{i}\n" for i in range(1, 5))
    ingest_scores(store, write(f"model,base_model,N,D,acc\n{rows}halved,llama-3-8b,4.6e9,15e12,0.9\n"))
    assert store.query("SELECT concerns FROM scores WHERE model = 'halved'")[1] == [("base_size,size,compute",)]
    assert len(load_scores(store, "acc")) == 5
    for exclude in ("concerns", "size", ("moe_params", "base_size")):
        left = load_scores(store, "acc", exclude=exclude)
        assert (len(left), sum(left.reasons().values())) == (4, 1)
    assert len(load_scores(store, "acc", exclude=("moe_params",))) == 5
    assert "base_size" in CONCERNS
