"""A run directory of HELM that it wrote itself (tests/fixtures/make/helm.py)."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import helm
from db.readers.format import Level
from db.readers.probe import Probe
from scaling.errors import ReadError
from tests.db.readers.results import LOGS, Results, mutated, outcome

RUN = LOGS / "helm"
#: Of the questions about 21 to 60, HELM drew 24 of the split test and 6 of the split valid.
EXACT = {
    "none": 20 / 24,
    "lowercase (perturbed)": 18 / 24,
    "lowercase (original)": 20 / 24,
    "lowercase (worst)": 18 / 24,
    "robustness (worst)": 18 / 24,
    "fairness (worst)": 20 / 24,
    "split valid": 5 / 6,
    "split valid, lowercase (perturbed)": 4 / 6,
    "split valid, lowercase (original)": 5 / 6,
    "split valid, lowercase (worst)": 4 / 6,
    "split valid, robustness (worst)": 4 / 6,
    "split valid, fairness (worst)": 5 / 6,
}


@pytest.fixture
def run(tmp_path):
    shutil.copytree(RUN, tmp_path / "run")
    return tmp_path / "run"


def change(run, name, edit):
    whole = json.loads((run / name).read_text())
    edit(whole)
    (run / name).write_text(json.dumps(whole))


def test_splits_and_perturbations_stand_apart():
    found = Results(helm, RUN)
    values = found.by("metric", "filter")
    assert {under: value for (metric, under), value in values.items() if metric == "exact_match"} == EXACT
    assert sorted({metric for metric, _ in values}) == [
        "bits_per_byte", "exact_match", "exact_match@5", "logprob", "logprob_per_byte", "perplexity"
    ]  # fmt: skip
    assert len(values) == 48


def test_all_that_is_said_of_a_result():
    found = Results(helm, RUN)
    plain = found.one(metric="exact_match", filter="none")
    assert (plain.model, plain.task) == ("simple/model1", "parity:data_augmentation=lower")
    assert (plain.n_samples, plain.n_shot, plain.harness, plain.stderr) == (24, 5, "helm", None)
    assert plain.extra == {
        "scenario": "parity",
        "run": "parity:model=simple_model1,data_augmentation=lower",
        "groups": ["parity"],
        "method": "multiple_choice_joint",
        "limit": 30,
        "trials": 1,
        "temperature": 0.0,
        "max_tokens": 5,
        "unit": "share",
        "split": "test",
    }
    worst = found.one(metric="exact_match", filter="split valid, lowercase (worst)")
    assert (worst.extra["perturbation"], worst.extra["computed_on"], worst.n_samples) == ("lowercase", "worst", None)
    assert found.one(metric="exact_match", filter="split valid").n_samples == 6
    assert found.one(metric="bits_per_byte", filter="none").extra["unit"] == "points"
    assert len(found.notes) == 3
    assert "at most 30 questions, and has as many" in found.notes[0]


def test_signs(tmp_path):
    sign = helm.sniff(Probe(RUN))
    assert (sign.level, sign.entries) == (Level.DIRECTORY, ("run_spec.json", "scenario.json", "stats.json"))
    (tmp_path / "run_spec.json").write_text("{}")
    assert helm.sniff(Probe(tmp_path)) is None
    assert helm.sniff(Probe(RUN / "stats.json")) is None


def test_large_files_are_left_out(run):
    (run / "scenario_state.json").write_text("not JSON")
    (run / "per_instance_stats.json").write_text("not JSON")
    (run / "scenario.json").unlink()
    found = Results(helm, run)
    assert set(found.sign.entries) == {"run_spec.json", "stats.json", "scenario_state.json", "per_instance_stats.json"}
    assert len(found.scores) == 48
    assert "scenario" not in found.scores[0].extra


def test_what_is_no_number_or_missing_is_refused(run):
    odd = iter([float("nan"), float("inf"), float("-inf"), None])

    def edit(stats):
        for stat in [s for s in stats if s["name"]["name"] == "exact_match"][:4]:
            stat["mean"] = next(odd)

    change(run, "stats.json", edit)
    found = Results(helm, run)
    assert len(found.scores) == 44
    assert [(p.value, p.reason) for p in found.problems] == [
        ("nan", "the score is not finite"),
        ("inf", "the score is not finite"),
        ("-inf", "the score is not finite"),
        (None, "the score is not a number"),
    ]


def test_settings_of_a_perturbation_tell_it_apart(run):
    def edit(stats):
        stats[:] = [
            {"name": {"name": "exact_match", "split": "test", "sub_split": "toxic",
                      "perturbation": {"name": "typo", "prob": prob, "seed": 1, "computed_on": "perturbed"}},
             "mean": prob}
            for prob in (0.1, 0.3)
        ]  # fmt: skip

    change(run, "stats.json", edit)
    assert Results(helm, run).by("filter") == {
        ("part toxic, typo prob=0.1 seed 1 (perturbed)",): 0.1,
        ("part toxic, typo prob=0.3 seed 1 (perturbed)",): 0.3,
    }


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("mmlu:subject=anatomy,method=joint,model=openai_gpt2", "mmlu:subject=anatomy,method=joint"),
        ("mmlu:model=a,model_deployment=b", "mmlu"),
        ("natural_qa", "natural_qa"),
        ('odd "name":x=ü\n,model=b', 'odd "name":x=ü\n'),
    ],
)
def test_a_task_is_a_run_without_its_model(run, name, task):
    change(run, "run_spec.json", lambda spec: spec.update(name=name))
    assert {score.task for score in Results(helm, run).scores} == {task}


@pytest.mark.parametrize(("name", "text"), [("stats.json", "{}"), ("run_spec.json", "{}"), ("run_spec.json", "[")])
def test_documents_that_are_none(run, name, text):
    (run / name).write_text(text)
    with pytest.raises(ReadError, match=name):
        list(helm.read(run, ()))


def test_cut_off(run):
    (run / "stats.json").write_text(json.dumps(json.loads((run / "stats.json").read_text())[:2]))
    for name in ("run_spec.json", "stats.json"):
        whole = run.parent / name
        shutil.copy(run / name, whole)
        for size in range(0, whole.stat().st_size, 5):
            (run / name).write_bytes(whole.read_bytes()[:size])
            with pytest.raises(ReadError, match=name):
                list(helm.read(run, ()))
        shutil.copy(whole, run / name)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["run_spec.json", "stats.json", "scenario.json"]),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_mutated(tmp_path_factory, name, changes):
    run = tmp_path_factory.mktemp("m") / "run"
    shutil.copytree(RUN, run)
    (run / name).write_bytes(mutated((RUN / name).read_bytes(), changes))
    assert not str(outcome(helm, run)).startswith("an error")
