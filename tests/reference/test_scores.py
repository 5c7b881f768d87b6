"""Public tables of scores: rows, computes, periods and joins are those that the tables have.

The Open LLM Leaderboard and Proteus tables and the curves' points are those of arXiv:2602.15327; the benchmark tables
of base models are those of arXiv:2405.10938; the runs and models are of Epoch AI.
"""

import csv
import datetime

import numpy as np
import pytest

from db.score_ingest import ingest_scores, plan_scores
from db.score_rows import match_rows
from db.scores import load_scores, tasks
from db.store import Store

pytestmark = pytest.mark.reference
TASKS = ("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO")
OLD_GRADER = "MATH Lvl 5 Raw (2025-02-08 grader)"
LEADERBOARD, PROTEUS = "open-llm-leaderboard-v2", "lm-evaluation-harness, proteus-2k"


@pytest.fixture(scope="module")
def store(reference):
    """The leaderboard, Proteus, and Epoch's runs with both of its other tables."""
    folder = ("prescriptive", "external")
    stitching = (*folder, "epoch_benchmark_stitching")
    with Store() as opened:
        derived = ("prescriptive", "derived")
        oll = reference(*derived, "oll_v2_recon_with_tokens.csv")
        opened.reports = [
            ingest_scores(opened, oll, preset="open-llm-leaderboard"),
            ingest_scores(opened, reference(*derived, "proteus_2k_slim.csv"), preset="proteus"),
            ingest_scores(
                opened, reference(*stitching, "benchmarks_runs.csv"), preset="epoch-benchmarks",
                tables={
                    "versions": reference(*stitching, "model_versions.csv"),
                    "models": reference(*folder, "epoch_models_slim_2024-11.csv"),
                },
            ),
        ]  # fmt: skip
        yield opened


def test_the_leaderboard_has_all_evaluations_and_computes(store, reference):
    table = reference("prescriptive", "derived", "oll_v2_recon_with_tokens.csv")
    report = store.reports[0]
    assert (report.n_rows, report.n_models, report.n_scores, report.n_refused) == (3913, 3913, 6 * 3913 + 3827, 0)
    _, rows = store.query(
        "SELECT task, count(*), count(n_tokens), count(compute_flop), count(DISTINCT compute_flop) FROM scores "
        "WHERE harness = ? AND NOT superseded GROUP BY task ORDER BY task",
        [LEADERBOARD],
    )
    # Four models with tokens have a size of 0 or below, and so no compute.
    assert rows == [(task, 3913, 2880, 2876, 249) for task in sorted(TASKS)]
    _, [(apart, lacking)] = store.query(
        "SELECT max(abs(log10(compute_flop / compute_flop_2))), count(*) FILTER (compute_flop IS NULL "
        "AND compute_flop_2 > 0) FROM scores WHERE harness = ?",
        [LEADERBOARD],
    )
    assert apart < 1e-12
    assert lacking == 0
    _, [(merged, flagged, names)] = store.query(
        "SELECT count(*) FILTER (merged), count(*) FILTER (flagged), count(DISTINCT name) FROM models "
        "WHERE source_id = ?",
        [report.source_id],
    )
    assert (merged, flagged, 3913 - names) == (607, 1, 74)
    _, [(grade,)] = store.query(
        "SELECT avg(score) FILTER (NOT superseded) - avg(score) FILTER (superseded) FROM scores "
        "WHERE task = 'MATH Lvl 5' AND harness = ? "
        "AND model_id IN (SELECT model_id FROM scores WHERE superseded)",
        [LEADERBOARD],
    )
    with table.open(encoding="utf-8") as stream:
        pairs = [(row["MATH Lvl 5 Raw"], row[OLD_GRADER]) for row in csv.DictReader(stream) if row[OLD_GRADER]]
    assert grade == pytest.approx(np.mean([float(new) - float(old) for new, old in pairs]), abs=1e-12)
    assert grade == pytest.approx(0.0431, abs=5e-5)


@pytest.mark.parametrize("task", TASKS)
def test_periods_have_the_published_counts(store, task):
    choice = {"metric": "mean_strict_acc"} if task == "IFEval" else {}
    rows = load_scores(store, task, harness=LEADERBOARD, date="released", period="zhang2026", **choice)
    assert [len(rows.of_period(name)) for name in ("P1", "P2", "P3", "P4")] == [578, 457, 841, 705]
    assert rows.periods == ("P1", "P2", "P3", "P4")
    assert rows.reasons() == {"no compute": 1037, "no date": 295}
    unique = [len(np.unique(rows.of_period(name).log10_compute)) for name in rows.periods]
    assert unique == [104, 86, 92, 62]
    everything = load_scores(store, task, harness=LEADERBOARD, **choice)
    assert (len(everything), everything.reasons()) == (2876, {"no compute": 1037})


def test_scores_are_whole_numbers_of_questions(store):
    _, rows = store.query("SELECT task, metric, harness, score, n_items FROM scores WHERE harness IN (?, ?)", [
        LEADERBOARD, PROTEUS
    ])  # fmt: skip
    of = {}
    for task, metric, harness, score, items in rows:
        of.setdefault((harness, task, metric), []).append((score, items))
    apart = {}
    for key, pairs in of.items():
        score, items = np.array([(s, np.nan if n is None else n) for s, n in pairs]).T
        apart[key] = int(np.sum(~(np.abs(score * items - np.round(score * items)) < 1e-3)))
    assert [count for key, count in apart.items() if key[0] == PROTEUS] == [0] * 7
    # Of each, four or five early runs were of other numbers of questions; those of MATH stand in two versions.
    few = {"MATH Lvl 5": 6, "GPQA": 4, "MMLU-PRO": 4}
    assert {key[1]: n for key, n in apart.items() if key[0] == LEADERBOARD and key[1] in few} == few
    # The leaderboard's IFEval is neither of the harness's two metrics but their mean.
    mean = np.array([score for score, _ in of[LEADERBOARD, "IFEval", "mean_strict_acc"]]) * 2 * 541 * 834
    assert np.sum(np.abs(mean - np.round(mean)) > 1e-3) == 3
    assert apart[LEADERBOARD, "IFEval", "mean_strict_acc"] > 3800


def test_false_stars_are_flagged(store):
    _, rows = store.query(
        "SELECT name, concerns FROM models WHERE name IN ('microsoft/phi-1_5', 'Quazim0t0/bloom-14b-stock', "
        "'microsoft/phi-1', 'Qwen/Qwen2.5-7B', 'meta-llama/Meta-Llama-3-8B') AND source_id = ? ORDER BY name",
        [store.reports[0].source_id],
    )
    assert dict(rows) == {
        "Quazim0t0/bloom-14b-stock": "architecture", "Qwen/Qwen2.5-7B": None, "meta-llama/Meta-Llama-3-8B": None,
        "microsoft/phi-1": None, "microsoft/phi-1_5": "version",
    }  # fmt: skip
    halved = store.query(
        "SELECT count(*) FROM models WHERE base_model = 'llama-3-8b' AND n_params < 5e9 AND concerns IS NULL"
    )
    assert halved[1] == [(0,)]
    clean = load_scores(store, "GPQA", harness=LEADERBOARD, exclude=("concerns",))
    assert 0.04 < 1 - len(clean) / 2876 < 0.2


def test_proteus_differs_from_the_leaderboard_as_published(store):
    found = {(row.task, row.metric): row for row in tasks(store) if row.harness == PROTEUS}
    assert {key[0] for key in found} == set(TASKS)
    assert len(found) == 7
    assert all((row.n_scores, row.n_with_compute) == (1169, 1169) for row in found.values())
    assert any(
        "9 of 189 models that both describe" in said and "Rombos-LLM-V2.5-Qwen-32b (a factor of 9)" in said
        for said in store.reports[1].warnings
    )
    assert any("that of the last change of the files" in said for said in store.reports[1].warnings)
    assert store.query("SELECT DISTINCT date_rule FROM scores WHERE harness = ?", [PROTEUS])[1] == [("modified",)]
    mine, theirs = (
        load_scores(store, "MATH Lvl 5", harness=harness, with_compute=False) for harness in (LEADERBOARD, PROTEUS)
    )
    first, second = match_rows(mine, theirs)
    assert [mine.model[i].lower() for i in first] == [theirs.model[i].lower() for i in second]
    shift = theirs.score[second] - mine.score[first]
    assert (len(first), shift.mean()) == (203, pytest.approx(-0.0339, abs=5e-5))


def test_epoch_runs_are_joined_to_dates_and_computes(store, reference):
    report = store.reports[2]
    assert (report.n_rows, report.n_scores, report.n_models) == (541, 541, 147)
    assert any("(table of versions) by id: 147 of 147 names found." in said for said in report.warnings)
    _, [(n_stderr, zero, dated)] = store.query(
        "SELECT count(stderr), count(*) FILTER (stderr = 0), count(released) FROM scores WHERE harness = 'epoch-ai'"
    )
    assert (n_stderr, zero, dated) == (435, 0, 538)
    rows = load_scores(store, "GPQA diamond", with_compute=False)
    assert len(rows) == len(set(rows.model_id)) == 134
    with reference("prescriptive", "authors", "epoch_outputs", "points", "GPQA_diamond.csv").open() as stream:
        published = {row["model"]: float(row["score"]) for row in csv.DictReader(stream)}
    ours = dict(zip(rows.model_id, rows.score, strict=True))
    shared = sorted(set(ours) & set(published))
    assert len(shared) >= 55
    assert [ours[name] for name in shared] == pytest.approx([published[name] for name in shared], abs=1e-9)
    _, [(day, compute)] = store.query(
        "SELECT released, compute_flop FROM scores WHERE model = 'Llama-2-70b-chat-hf' AND task = 'GPQA diamond'"
    )
    assert day == datetime.date(2023, 7, 18)
    assert compute == pytest.approx(8.1e23)


def test_tables_of_base_models_are_guessed_and_given_the_same(reference):
    table = reference("obs_scaling", "base_llm_benchmark_eval.csv")
    by_preset, guessed = plan_scores(table, preset="obs-scaling"), plan_scores(table)
    for plan in (by_preset, guessed):
        assert (plan.n_models, plan.n_scores, plan.n_with_compute) == (148, 148 * 8 - 40, 123)
    assert [m["compute_flop"] for m in by_preset.content.models] == [m["compute_flop"] for m in guessed.content.models]
    for model in by_preset.content.models:
        if model["compute_flop"] is not None:
            assert model["compute_flop"] == pytest.approx(6 * model["n_params"] * model["n_tokens"], rel=1e-9)
    emergent = plan_scores(
        reference("obs_scaling", "base_llm_emergent_capability_eval.csv"),
        preset="obs-scaling",
        tables={"models": table},
    )
    assert (emergent.n_models, emergent.n_with_compute) == (84, 73)
    assert any("ipa_transliterate_2_bleu: the 95th percentile is above 1" in said for said in emergent.warnings)
    agent = plan_scores(reference("obs_scaling", "instruct_llm_agent_eval.csv"), preset="obs-scaling")
    units = {score["task"]: score["unit"] for score in agent.content.scores}
    assert (units["ABench-OA"], units["ABench-Code_OS"]) == ("points", "share")
