"""Mappings of scores: what they say, what is guessed, what is refused; presets; long tables; joins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from db.score_ingest import ingest_scores, plan_scores
from db.score_mapping import ScoreMapping, is_of_scores
from db.score_presets import load_preset, preset_names
from db.scores import load_scores, tasks
from db.store import Store
from scaling.errors import InputDataError, UsageError

LONG = """\
id,task,model,Best score (across scorers),Scores,started_at,Status,task version
r1,GPQA,m1_high,0.850,choice:0.85±0.02,17 November 2025 4:28pm,Success,1.0.1
r2,GPQA,m1_high,0.870,choice:0.87±0.01,18 November 2025 4:28pm,Success,1.0.1
r3,GPQA,m2,0.300,"string:0.3±0.01,model:0.2±0.1",1 March 2024 1:00am,Success,1.0.0
r4,AIME,m2,,,1 March 2024 1:00am,Success,1.0.0
r5,AIME,m1_high,0.5,choice:0.5±0,1 March 2024 1:00am,Error,1.0.0
r6,AIME,m3,0.1,choice:0.1±0.05,1 March 2024 1:00am,Success,1.0.0
"""
VERSIONS = "id,Model,Version release date\nm1_high,M 1,2025-10-01\nm2,Twin,2024-02-01\nm3,m-two,2023-01-01\n"
MODELS = """\
System,Organization,Publication date,Parameters,Training compute (FLOP),Training dataset size (datapoints),Confidence
M 1,Lab,2025-09-01,,5e25,,Confident
Twin,Lab,2024-01-01,7e9,1e23,2e12,Likely
Twin,Other,2024-01-01,7e9,9e23,2e12,Likely
M-Two,Third,2022-12-24,1e9,6e21,1e12,Speculative
"""


def test_a_mapping_says_what_is_what(store: Store, write: Callable[..., Path]) -> None:
    text = """
    [columns]
    model = "who"
    N = '"size, B" * 1e9'
    D = ["absent", "seen * 1e12"]
    released = "day"
    [constants]
    harness = "mine 1.2"
    family = "llama"
    moe = false
    [derived]
    C = "6*N*D*1.1"
    [scores]
    Trivia = { column = "tq", metric = "acc", n_items = 50, unit = "percent", version = "2", chance = 0.25, n_shot = 5 }
    [options]
    guess = false
    """
    mapping = write(text, "mapping.toml")
    assert is_of_scores(mapping)
    table = write('who,"size, B",seen,day,tq,note\na/b,2,1,2024-02-03,40,kept\n')
    ingest_scores(store, table, mapping)
    columns, rows = store.query("SELECT * FROM scores")
    row = dict(zip(columns, rows[0], strict=True))
    wanted = {
        "model": "a/b", "task": "Trivia", "metric": "acc", "score": pytest.approx(0.4), "n_items": 50,
        "harness": "mine 1.2", "task_version": "2", "compute_flop": pytest.approx(1.32e22),
        "compute_rule": "6*N*D*1.1", "family": "llama",
        "moe": False, "chance": 0.25, "n_shot": 5, "date_rule": "released", "organisation": "a", "note": "kept",
    }  # fmt: skip
    assert {key: row[key] for key in wanted} == wanted
    assert str(row["date"]) == "2024-02-03"
    [(stored,)] = store.query("SELECT mapping FROM sources")[1]
    assert json.loads(stored)["columns"]["n_tokens"] == "seen * 1e12"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[score]\nx = 'y'", r"no section \[score\].\nDid you mean 'scores'"),
        ("[columns]\nmodle = 'x'", "no field 'modle'.\nDid you mean 'model'"),
        ("[columns]\nmodel = 3", "is a column, an expression or a list of columns, not 3"),
        ("[columns]\nC = 'x'\n[derived]\nC = '6*N*D'", "compute_flop is given twice"),
        ("[derived]\nmodel = 'N'", "cannot be computed"),
        ("[constants]\nmoe = 'yes'", "moe is true or false"),
        ("[constants]\nN = '7B'", "N is a number, not '7B'"),
        ("[scores]\nA = { colum = 'a' }", "no setting 'colum'.\nDid you mean 'column'"),
        ("[scores]\nA = { column = 'a', unit = 'percents' }", "no unit 'percents'.\nDid you mean 'percent'"),
        ("[scores]\nA = { column = 'a', n_items = true }", "n_items cannot be True"),
        ("[tables.models]\non = 'model'", "has a key"),
        ("[options]\nshape = 'tall'", "no shape 'tall'"),
        ("[keep]\nStatus = 1", "is a text or a list of texts"),
        ("[scores", "is not TOML"),
    ],
)
def test_what_no_mapping_can_say(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ScoreMapping.parse(text)


def test_what_cannot_be_guessed_is_an_error(write: Callable[..., Path]) -> None:
    with pytest.raises(InputDataError, match=r"several columns could be n_params.*'params', 'parameters'"):
        plan_scores(write("model,params,parameters,acc\na,1e9,1e9,0.5\n"))
    with pytest.raises(InputDataError, match="no column that names the model"):
        plan_scores(write("who,acc\na,0.5\n"))
    with pytest.raises(InputDataError, match="no column of scores"):
        plan_scores(write("model,note\na,x\n"))
    with pytest.raises(InputDataError, match=r"No score of .* can be used"):
        plan_scores(write("model,task,score\na,t,\n"))
    with pytest.raises(InputDataError, match="no column 'tq', which Trivia is made of"):
        plan_scores(write("model,acc\na,0.5\n"), ScoreMapping.parse("[scores]\nTrivia = 'tq'"))


def test_units_in_the_names_of_columns_are_understood(write: Callable[..., Path]) -> None:
    cases = {
        "pretrain_compute_zflops": "pretrain_compute_zflops * 1e21",
        "FLOPs (1E21)": '"FLOPs (1E21)" * 1e21',
        "Training compute (FLOP)": "Training compute (FLOP)",
    }
    for column, text in cases.items():
        plan = plan_scores(write(f"model,{column},acc\na,5,0.5\n"))
        assert plan.mapping.columns["compute_flop"] == text
    plan = plan_scores(write("model,#Params (B),Pretraining tokens (T),acc\na,7,2,0.5\n"))
    assert plan.content.models[0]["compute_flop"] == pytest.approx(8.4e22)


def test_a_long_table_with_two_joins(store: Store, write: Callable[..., Path]) -> None:
    files = {"versions": write(VERSIONS, "v.csv"), "models": write(MODELS, "m.csv")}
    table = write(LONG, "runs.csv")
    report = ingest_scores(store, table, preset="epoch-benchmarks", tables=files)
    assert (report.n_models, report.n_scores, report.n_with_compute) == (3, 4, 2)
    said = "\n".join(report.warnings)
    assert "1 row left out, because Status is not Success." in said
    assert "1 row without a score (empty or NaN) left out." in said
    assert "(table of versions) by id: 3 of 3 names found." in said
    assert "by System: 2 of 3 names found; found several times with different values, so not joined: Twin." in said
    _, rows = store.query(
        "SELECT source_key, model, score, stderr, filter, CAST(evaluated_on AS VARCHAR), CAST(released AS VARCHAR), "
        "compute_flop, organisation, base_model, Confidence FROM scores ORDER BY source_key"
    )
    first = ("choice", "2025-11-17", "2025-10-01", 5e25, "Lab", "M 1", "Confident")
    assert rows[0] == ("r1", "m1_high", 0.85, 0.02, *first)
    assert rows[2] == ("r3", "m2", 0.3, 0.01, "string", "2024-03-01", "2024-02-01", None, None, "Twin", None)
    assert rows[3][7:] == (6e21, "Third", "m-two", "Speculative")  # found without capitals and marks
    best = load_scores(store, "GPQA")
    assert (best.score.tolist(), best.reasons()) == (
        [0.87], {"no compute": 1, "another score of the same entry is kept": 1},
    )  # fmt: skip
    assert load_scores(store, "GPQA", repeats="all").score.tolist().count(0.85) == 1
    assert load_scores(store, "GPQA", with_compute=False).score.tolist() in ([0.87, 0.3], [0.3, 0.87])
    assert ingest_scores(store, table, preset="epoch-benchmarks", tables=files).status == "unchanged"
    files["models"].write_text(MODELS.replace("5e25", "6e25"), encoding="utf-8")  # what is joined is content too
    assert ingest_scores(store, table, preset="epoch-benchmarks", tables=files).status == "replaced"
    assert load_scores(store, "GPQA").log10_compute == pytest.approx([25.778151])


def test_a_table_of_computes_joins_any_table(write: Callable[..., Path]) -> None:
    computes = write("model,params,tokens\na,1e9,1e12\nc,2e9,1e12\n", "m.csv")
    plan = plan_scores(write("model,acc\na,0.5\nb,0.6\n"), tables={"models": computes})
    assert [m["compute_flop"] for m in plan.content.models] == [6e21, None]
    assert any("1 of 2 names found; not found: b" in said for said in plan.warnings)
    with pytest.raises(UsageError, match="joins no table 'versions'"):
        plan_scores(write("Model,MMLU\na,0.5\n"), preset="obs-scaling", tables={"versions": computes})


def test_rows_of_one_name_are_numbered_where_nothing_tells_them_apart(store: Store, write: Callable[..., Path]) -> None:
    ingest_scores(store, write("model,C,acc\na,1e22,0.5\na,1e22,0.6\nb,1e22,0.1\n"))
    rows = load_scores(store, "acc")
    assert sorted(rows.model_id) == ["a", "a #2", "b"]
    one = load_scores(store, "acc", per="model")
    assert sorted(one.score) == [0.1, 0.6]


def test_two_harnesses_are_never_mixed(store: Store, write: Callable[..., Path]) -> None:
    ingest_scores(store, write("model,C,harness,acc\na,1e22,one,0.5\nb,1e22,two,0.6\n"))
    with pytest.raises(UsageError, match=r"several kinds of harness: one \(1\), two \(1\)"):
        load_scores(store, "acc")
    assert load_scores(store, "acc", harness="two").score.tolist() == [0.6]
    with pytest.raises(UsageError, match="has the harness 'three'"):
        load_scores(store, "acc", harness="three")


def test_presets_can_all_be_read_and_an_unknown_one_names_them() -> None:
    assert preset_names() == ["epoch-benchmarks", "obs-scaling", "open-llm-leaderboard", "proteus"]
    assert all(load_preset(name).preset == name for name in preset_names())
    with pytest.raises(UsageError, match=r"no preset 'open-llm'.\nDid you mean 'open-llm-leaderboard'"):
        load_preset("open-llm")


def test_the_leaderboard_preset_reads_the_public_export_without_tokens(
    store: Store, write: Callable[..., Path]
) -> None:
    header = (
        "eval_name,fullname,Type,Architecture,#Params (B),MoE,Merged,Flagged,Chat Template,Upload To Hub Date,"
        "Submission Date,Base Model,IFEval Raw,IFEval,BBH Raw,MATH Lvl 5 Raw,GPQA Raw,MUSR Raw,MMLU-PRO Raw\n"
    )
    rows = (
        "x_bf16,o/x,chat,Qwen2ForCausalLM,7.6,False,True,False,True,2024-09-18,2024-09-20,q,0.5,50,0.4,0.3,0.2,0.1,0.6\n"
        "x_4bit,o/x,chat,Qwen2ForCausalLM,3.8,False,True,True,True,,2024-09-21,q,0.4,40,0.4,0.3,0.2,0.1,0.6\n"
    )
    plan = plan_scores(write(header + rows), preset="open-llm-leaderboard")
    assert (plan.n_models, plan.n_scores, plan.n_with_compute) == (2, 12, 0)
    ingest_scores(store, write(header + rows), preset="open-llm-leaderboard")
    found = {row.task: row for row in tasks(store)}
    assert set(found) == {"IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO"}
    _, rows_found = store.query(
        "SELECT model_id, model, base_model, flagged, CAST(date AS VARCHAR), date_rule, n_items, IFEval "
        "FROM scores WHERE task = 'IFEval' ORDER BY 1"
    )
    assert rows_found == [
        ("x_4bit", "o/x", "q", True, "2024-09-21", "evaluated", 541, 40),
        ("x_bf16", "o/x", "q", False, "2024-09-18", "released", 541, 50),
    ]


def test_errors_and_chances_are_in_the_unit_of_their_score(store: Store, write: Callable[..., Path]) -> None:
    table = "id,model,task,score,stderr,chance\n1,a,t,50,2,25\n2,b,t,60,3,25\n3,c,t,70%,4,25\n2,b,t,61,3,25\n"
    report = ingest_scores(store, write(table), ScoreMapping.parse('[columns]\nkey = "id"\n[scores]'))
    assert (report.n_scores, report.n_refused) == (3, 1)
    assert "the same identifier, model and task as another row" in str(report.problems[0])
    _, rows = store.query("SELECT score, stderr, chance FROM scores ORDER BY source_key")
    assert rows == [pytest.approx(row) for row in ((0.5, 0.02, 0.25), (0.6, 0.03, 0.25), (0.7, 0.04, 0.25))]
