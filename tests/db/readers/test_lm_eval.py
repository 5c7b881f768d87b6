"""Results of the LM evaluation harness, from files that it wrote itself (tests/fixtures/make/lm_eval.py)."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import lm_eval
from db.readers.format import Level
from db.readers.probe import Probe
from scaling.errors import ReadError
from tests.db.readers.results import LOGS, Results, cut_everywhere, mutated, outcome

WHOLE = LOGS / "lm-eval" / "whole" / "lab__tiny-1m"
LIMITED = LOGS / "lm-eval" / "limited" / "lab__tiny-1m"
[FILE] = WHOLE.glob("results_*.json")


def write(folder, **log):
    path = folder / "results_2026-01-02T03-04-05.678.json"
    path.write_text(json.dumps({"results": {}, "versions": {}, "config": {}} | log))
    return path


def test_every_metric_and_filter_of_tasks_and_groups():
    assert Results(lm_eval, WHOLE).by("task", "metric", "filter") == {
        ("doubles", "acc", "none"): 0.75,
        ("doubles", "exact_match", "strict-match"): 2 / 3,
        ("doubles", "exact_match", "flexible-extract"): 1.0,
        ("doubles_choice", "acc", "none"): 0.75,
        ("doubles_choice", "acc_norm", "none"): 0.75,
        ("doubles_text", "exact_match", "strict-match"): 2 / 3,
        ("doubles_text", "exact_match", "flexible-extract"): 1.0,
        ("doubles_loss", "word_perplexity", "none"): pytest.approx(181.0193359837561),
        ("doubles_loss", "bits_per_byte", "none"): pytest.approx(2.0),
    }


def test_all_that_is_said_of_a_result():
    found = Results(lm_eval, WHOLE).one(task="doubles_text", filter="strict-match")
    assert found.model == "lab/tiny-1m"
    assert found.stderr == pytest.approx(math.sqrt((2 / 3) * (1 / 3) / 11))
    assert (found.n_samples, found.n_shot, found.step, found.task_version) == (12, 2, 3000, "3")
    assert (found.higher_is_better, found.harness) == (True, "lm-evaluation-harness 0.4.13")
    assert found.key == FILE.stem.removeprefix("results_")
    assert found.evaluated == found.key[:10]
    assert found.about_model == {
        "n_params": 1_234_567,
        "revision": "step3000",
        "sha": "0123456789abcdef",
        "dtype": "torch.float32",
        "model_args": "pretrained=lab/tiny-1m,revision=step3000",
        "backend": "rule",
    }
    assert (found.extra["unit"], found.extra["chat_template"]) == ("share", False)
    assert len(found.extra["task_hash"]) == 64


def test_a_group_is_marked_and_its_questions_are_counted_by_metric():
    found = Results(lm_eval, WHOLE)
    group = found.one(task="doubles", metric="acc")
    assert (group.extra["group"], group.extra["parts"]) == (True, ["doubles_choice", "doubles_text"])
    assert (group.n_samples, group.n_shot, group.task_version) == (12, None, "1")
    assert sum("group" in score.extra for score in found.scores) == 3
    assert any("groups repeat" in note for note in found.notes)


def test_errors_that_are_not_known_and_results_that_are_no_numbers():
    found = Results(lm_eval, WHOLE)
    loss = found.one(task="doubles_loss", metric="bits_per_byte")
    assert (loss.stderr, loss.higher_is_better, loss.extra["unit"]) == (None, False, "points")
    assert [(p.column, p.value, p.reason, p.refused) for p in found.problems] == [
        (f"{task}: {metric},none", value, "the score is not finite", "value")
        for task, value in (("loss_nan", "nan"), ("loss_inf", "inf"))
        for metric in ("word_perplexity", "bits_per_byte")
    ]


def test_a_part_of_the_task_is_said():
    found = Results(lm_eval, LIMITED)
    assert found.by("metric") == {("acc",): 0.8, ("acc_norm",): 0.8}
    score = found.scores[0]
    assert (score.n_samples, score.stderr, score.extra["limit"], score.extra["questions_of_task"]) == (5, None, 5, 12)
    assert [note for note in found.notes if "the first 5 questions of each task" in note]


def test_samples_are_counted(tmp_path):
    for file in LIMITED.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert not [note for note in Results(lm_eval, tmp_path).notes if "lines" in note]
    [samples] = tmp_path.glob("samples_*")
    samples.write_bytes(samples.read_bytes()[:-20])  # the last line is cut off, and still counts
    assert not [note for note in Results(lm_eval, tmp_path).notes if "lines" in note]
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:3]))
    [note] = [note for note in Results(lm_eval, tmp_path).notes if "lines" in note]
    assert "has 3 lines where the results of 5 questions ask for 5" in note


def test_signs(tmp_path):
    sign = lm_eval.sniff(Probe(WHOLE))
    assert (sign.level, len(sign.entries)) == (Level.DIRECTORY, 6)
    assert lm_eval.sniff(Probe(FILE)).level == Level.KEYS
    assert lm_eval.sniff(Probe(WHOLE / sign.entries[1])) is None
    many = {f"task_{i}": {"alias": "a", "acc,none": 0.5, "acc_stderr,none": "N/A"} for i in range(2000)}
    path = tmp_path / "results_x.json"
    path.write_text(json.dumps({"results": many, "versions": {}, "config": {}}, indent=2))
    assert lm_eval.sniff(Probe(path)) is not None  # its other keys are beyond what is looked at
    path.write_text('{"results": [1, 2], "other": 3}')
    assert lm_eval.sniff(Probe(path)) is None


def test_results_of_before_there_were_filters(tmp_path):
    path = write(
        tmp_path,
        results={"lambada": {"ppl": 4.5, "ppl_stderr": 0.1, "acc": 0.625, "acc_stderr": 0.0125}},
        versions={"lambada": 0},
        config={"model": "gpt2", "model_args": "pretrained=org/a,dtype=float16", "num_fewshot": 0, "limit": None},
    )
    found = Results(lm_eval, path)
    assert found.by("metric", "filter") == {("ppl", "none"): 4.5, ("acc", "none"): 0.625}
    assert [(s.stderr, s.extra["unit"], s.task_version) for s in found.scores] == [
        (0.1, "points", "0"), (0.0125, "share", "0")
    ]  # fmt: skip
    assert {s.model for s in found.scores} == {"org/a"}
    assert found.scores[0].evaluated == "2026-01-02"


def test_odd_names_and_values(tmp_path):
    task = 'a "b",\nc - ü'
    path = write(
        tmp_path,
        results={task: {"f1,it's, odd": 83.5, "f1_stderr,it's, odd": -1, "em,none": None, "acc,none": "7"}},
        **{"n-shot": {task: -1}, "n-samples": {task: {"effective": True}}, "higher_is_better": {task: []}},
    )
    found = Results(lm_eval, path)
    [score] = found.scores
    assert (score.task, score.metric, score.filter, score.value) == (task, "f1", "it's, odd", 83.5)
    assert (score.stderr, score.n_shot, score.n_samples, score.extra["unit"]) == (None, None, None, "points")
    assert [p.reason for p in found.problems] == [
        "the standard error is no finite number from 0 on: left out",
        "the score is not a number",
        "the score is not a number",
    ]


def test_one_damaged_file_leaves_the_others(tmp_path):
    for file in LIMITED.glob("results_*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "results_2026-01-01T00-00-00.json").write_text('{"results": {"a": {"acc,no')
    found = Results(lm_eval, tmp_path)
    assert (len(found.scores), [p.refused for p in found.problems]) == (2, ["row"])


def test_nothing_whole_is_an_error(tmp_path):
    (tmp_path / "results_2026-01-01T00-00-00.json").write_text("[]")
    with pytest.raises(ReadError, match="no object 'results'"):
        Results(lm_eval, tmp_path)


@pytest.mark.parametrize("name", ["main", None])
def test_a_revision_that_says_nothing(tmp_path, name):
    path = write(tmp_path, results={"t": {"acc,none": 0.5}}, config={"model_revision": name, "model_args": None})
    assert "revision" not in Results(lm_eval, path).scores[0].about_model


def test_cut_off_after_every_byte(tmp_path):
    [made] = LIMITED.glob("results_*.json")
    log = json.loads(made.read_text())
    small = tmp_path / "small.json"
    small.write_text(json.dumps({key: log[key] for key in ("results", "versions", "n-samples", "config", "date")}))
    outcomes = cut_everywhere(lm_eval, small, tmp_path / made.name)
    assert set(outcomes) == {"ReadError"}  # a document that lacks its end is none


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutated(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("m") / FILE.name
    path.write_bytes(mutated(FILE.read_bytes(), changes))
    assert not str(outcome(lm_eval, path)).startswith("an error")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["t", "x", "acc,none"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "results", "groups", "group_subtasks", "configs", "versions", "n-shot", "n-samples", "config", "date",
                "higher_is_better", "task_hashes", "chat_template", "model_name",
            ]
        ),
        JSON,
    )
)  # fmt: skip
def test_any_json(tmp_path_factory, log):
    path = tmp_path_factory.mktemp("j") / FILE.name
    path.write_text(json.dumps(log))
    assert not str(outcome(lm_eval, path)).startswith("an error")
