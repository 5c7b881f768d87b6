"""Mapping files, guessing from names, and applying both to a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db.fields import candidate, is_loss_name
from db.guess import complete
from db.mapping import Mapping
from db.readers.table import Table, read_table
from db.resolve import resolve
from scaling.errors import InputDataError, UsageError

Write = Callable[..., Path]


def _table(**columns: list[object]) -> Table:
    n = len(next(iter(columns.values())))
    return Table("runs.csv", "csv", {key: list(cells) for key, cells in columns.items()}, list(range(2, n + 2)), n)


FULL = """
[columns]
run_id = ["size", "seed"]
N = "size * million"
step = "it"
tokens = "it * batch"
[constants]
million = 1e6
batch = 1024
corpus = "c4"
[derived]
C = "6N*D"
D = "20N"
[metrics]
loss = { column = "val_bits * 0.5", unit = "nats/token", kind = "loss" }
acc = "accuracy"
[options]
metric = "loss"
shape = "long"
allow_units = true
allow_missing = true
guess = false
"""


def test_a_mapping_file_and_back() -> None:
    mapping = Mapping.parse(FULL)
    assert mapping.columns["run_id"] == ("size", "seed")
    assert mapping.constants == {"million": 1e6, "batch": 1024.0, "corpus": "c4"}
    assert (mapping.metric, mapping.shape, mapping.guess) == ("loss", "long", False)
    assert (mapping.allow_units, mapping.allow_missing) == (True, True)
    again = Mapping.from_dict(mapping.to_dict())
    assert again == mapping
    assert again.sha256 == mapping.sha256
    assert mapping.sha256 != mapping.with_options(metric="acc").sha256
    assert Mapping.parse("") == Mapping()


def test_a_mapping_is_applied() -> None:
    table = _table(
        size=["10", "20"],
        seed=["0", "1"],
        it=["100", "200"],
        val_bits=["6", "nan"],
        accuracy=["0", "0.5"],
        lr=["1", "2"],
    )
    mapping = complete(Mapping.parse(FULL), table)
    resolved = resolve(mapping, table)
    assert resolved.texts == {"run_id": ["10-0", "20-1"], "corpus": ["c4", "c4"]}
    assert resolved.numbers["n_params"].values.tolist() == [1e7, 2e7]
    assert resolved.numbers["n_tokens"].values.tolist() == [2e8, 4e8]
    assert resolved.numbers["compute_flop"].values.tolist() == [6 * 1e7 * 2e8, 6 * 2e7 * 4e8]
    assert resolved.numbers["tokens"].values.tolist() == [102400, 204800]
    assert resolved.metrics["loss"].values[0] == 3
    assert resolved.metrics["loss"].status.tolist() == [0, 1]
    assert resolved.sources["compute_flop"] == ("size",)
    assert mapping.lines() == [
        "run_id <- size + '-' + seed (from mapping)",
        "corpus <- 'c4' (from mapping)",
        "step <- it (from mapping)",
        "tokens <- it * batch (from mapping)",
        "n_params <- size * million (from mapping)",
        "n_tokens <- 20N (from mapping)",
        "compute_flop <- 6N*D (from mapping)",
        "million <- 1000000.0 (from mapping)",
        "batch <- 1024.0 (from mapping)",
        "metric loss [nats/token] <- val_bits * 0.5 (from mapping, shown as the loss)",
        "metric acc <- accuracy (from mapping)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[column]\nN = 'x'", r"there is no section \[column\].\nDid you mean 'columns'"),
        ("columns = 3", "is a section, not a value"),
        ("[columns]\nn_parms = 'x'", r"has no field 'n_parms'.\nDid you mean 'n_params'"),
        ("[columns]\nN = 3", "is a column name or an expression in quotes, not 3"),
        ("[columns]\nN = 'x'\nn_params = 'y'", "gives n_params twice"),
        ("[columns]\nN = 'x'\n[derived]\nn_params = 'y'", "given twice, in \\[columns\\] and in \\[derived\\]"),
        ("[columns]\nrun_id = []", "is a list of column names"),
        ("[constants]\nN = 'x'", "is a number, not 'x'"),
        ("[constants]\ncorpus = 3", "A name or corpus is a text"),
        ("[constants]\nrun_id = 'a'", "cannot be 'a'"),
        ("[derived]\ncorpus = 'a'", "is a text and cannot be computed"),
        ("[metrics]\nloss = 3", "needs a column"),
        ("[metrics]\nloss = { column = 'x', units = 'y' }", "has no setting 'units'.\nDid you mean 'unit'"),
        ("[metrics]\nloss = { column = 'x', kind = 'lost' }", "has no kind 'lost'.\nDid you mean 'loss'"),
        ("[options]\nshapes = 'long'", "there is no option 'shapes'.\nDid you mean 'shape'"),
        ("[options]\nshape = 'longer'", "there is no shape 'longer'.\nDid you mean 'long'"),
        ("[options]\nguess = 'no'", "is true or false, not 'no'"),
        ("[columns\n", "is not TOML"),
    ],
)
def test_mapping_files_that_say_what_no_mapping_can(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Mapping.parse(text)


def test_mapping_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no mapping file"):
        Mapping.load(tmp_path / "no.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        Mapping.load(tmp_path)


@pytest.mark.parametrize(
    ("column", "field", "factor"),
    [
        ("N", "n_params", 1), ("params", "n_params", 1), ("n_params", "n_params", 1), ("num_params", "n_params", 1),
        ("params_M", "n_params", 1e6), ("params_B", "n_params", 1e9), ("N_M", "n_params", 1e6),
        ("#Params (B)", "n_params", 1e9), ("Model Size (B)", "n_params", 1e9), ("params_in_millions", "n_params", 1e6),
        ("D", "n_tokens", 1), ("tokens", "n_tokens", 1), ("tokens_B", "n_tokens", 1e9),
        ("Tokens (T)", "n_tokens", 1e12),
        ("C", "compute_flop", 1), ("flops", "compute_flop", 1), ("FLOPs (1E21)", "compute_flop", 1e21),
        ("flops_1e18", "compute_flop", 1e18), ("training_compute_flop", "compute_flop", 1),
        ("iteration", "step", 1), ("_step", "step", 1), ("run", "run_id", 1), ("dataset", "corpus", 1),
    ],
)  # fmt: skip
def test_usual_names_are_known_with_their_unit(column: str, field: str, factor: float) -> None:
    found = candidate(column, field)
    assert found is not None
    assert found.factor == factor


@pytest.mark.parametrize(
    ("column", "field"),
    [("n", "n_params"), ("d", "n_tokens"), ("c", "compute_flop"), ("N_non_embed", "n_params"), ("D/N", "n_tokens"),
     ("n_layers", "n_params"), ("token_multiplier", "n_tokens"), ("steps_per_second", "step")],
)  # fmt: skip
def test_names_that_mean_something_else_are_not_taken(column: str, field: str) -> None:
    assert candidate(column, field) is None


def test_loss_names() -> None:
    losses = ["loss", "Loss", "val_loss", "loss_c4", "eval/c4/CrossEntropyLoss", "paloma bpb", "smooth loss"]
    assert all(is_loss_name(column) for column in losses)
    assert not any(is_loss_name(column) for column in ["Lossu", "target_loss", "gloss", "accuracy", "closs_x"])


def test_guesses_are_told_line_by_line() -> None:
    table = _table(run=["a"], params_M=["10"], **{"Tokens (B)": ["2"]}, val_loss=["3"], lr=["0.1"])
    mapping = complete(Mapping(), table)
    assert mapping.lines() == [
        "run_id <- run (guessed from the name)",
        "n_params <- params_M * 1e6 (guessed from the name)",
        'n_tokens <- "Tokens (B)" * 1e9 (guessed from the name)',
        "metric val_loss <- val_loss (guessed from the name, shown as the loss)",
    ]
    assert resolve(mapping, table).numbers["n_tokens"].values.tolist() == [2e9]


def test_what_is_written_is_not_guessed_again() -> None:
    table = _table(run=["a"], N=["1e8"], params=["1e9"], tokens=["1e10"], loss=["3"])
    mapping = complete(Mapping.parse("[columns]\nN = 'params'"), table)
    assert dict(mapping.columns) == {"run_id": "run", "n_params": "params", "n_tokens": "tokens"}
    nothing = complete(Mapping.parse("[options]\nguess = false\n[metrics]\nloss = 'loss'"), table)
    assert dict(nothing.columns) == {}


def test_ambiguous_names_list_the_candidates() -> None:
    with pytest.raises(
        InputDataError, match=r"several columns could be n_params.*: 'N', 'params'.\n.*\[columns\] N = \"N\""
    ):
        complete(Mapping(), _table(N=["1"], params=["2"], loss=["3"]))
    # A name or a corpus is worth no stop: both columns are kept as they are.
    mapping = complete(Mapping(), _table(dataset=["a"], corpus=["b"], loss=["3"]))
    assert "corpus" not in mapping.columns
    # Better names win over worse ones without a question.
    assert complete(Mapping(), _table(id=["a"], run_id=["b"], loss=["3"])).columns["run_id"] == "run_id"


def test_which_loss_is_shown() -> None:
    table = _table(run=["a"], train_loss=["3"], val_loss=["4"], loss_name=["words"], accuracy=["0.5"])
    with pytest.raises(InputDataError, match=r"several losses: 'train_loss', 'val_loss'.\n.*--metric 'train_loss'"):
        complete(Mapping(), table)
    assert complete(Mapping(), table, "val_loss").metric == "val_loss"
    assert [spec.metric for spec in complete(Mapping(), table, "accuracy").metrics][-1] == "accuracy"
    with pytest.raises(InputDataError, match=r"no metric and no column 'val_los'.\nDid you mean 'val_loss'"):
        complete(Mapping(), table, "val_los")
    norms = Mapping.parse("[metrics]\ntrain_loss = 'train_loss'\nnorm = { column = 'accuracy', kind = 'other' }")
    assert complete(norms, table).metric == "train_loss"
    both = complete(Mapping(), _table(Loss=["3"], val_loss=["4"]))
    assert (both.metric, [spec.metric for spec in both.metrics]) == ("loss", ["loss", "val_loss"])
    with pytest.raises(InputDataError, match=r"no column that is a loss by its name.\nDid you mean 'Lossu'"):
        complete(Mapping(), _table(N=["1"], Lossu=["3"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[columns]\nN = 'prams'",
            r"no column 'prams', which n_params is made of.\n  prams\n  \^\nDid you mean 'params'",
        ),
        ("[columns]\nN = 'params * million'", r"no column 'million'.*\n  params \* million\n           \^"),
        ("[columns]\ncorpus = 'copus'", r"no column 'copus', which corpus is made of.\nDid you mean 'corpora'"),
        ("[columns]\nrun_id = ['params', 'sed']", r"no column 'sed', which run_id is made of.\nDid you mean 'seed'"),
        ("[derived]\nD = 'C / 6'\nC = '6 * D'", r"depend on each other in a circle: .*compute_flop"),
        ("[columns]\nN = 'params ^ 2'", r"n_params: The expression cannot be read"),
        ("[metrics]\nloss = 'los'", r"no column 'los', which loss is made of"),
    ],
)
def test_mappings_that_do_not_fit_the_table(text: str, message: str) -> None:
    table = _table(params=["1"], seed=["0"], corpora=["c4"], loss=["3"])
    with pytest.raises((InputDataError, UsageError), match=message):
        resolve(complete(Mapping.parse(text), table), table)


def test_derived_tokens_from_compute(write: Write) -> None:
    table = read_table(write("run,N,C,loss\na,1e9,6e18,3\n"))
    for formula in ("C/(6*N)", "C/(6N)", "compute_flop / (6 n_params)".replace("6 ", "6*")):
        mapping = complete(Mapping.parse(f"[derived]\nD = '{formula}'"), table)
        assert resolve(mapping, table).numbers["n_tokens"].values.tolist() == [1e9]
