"""Tables that Lightning's CSVLogger wrote, whole, cut off and odd."""

import math
import shutil
from pathlib import Path

import pytest

from db.readers import lightning
from db.readers.format import Level
from db.readers.plain_yaml import plain_yaml
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

RUN = Path(__file__).parents[2] / "fixtures" / "logs" / "lightning" / "run"
LOGGED = (4, 9, 14, 19, 24, 29)


def read(path):
    return Gathered(lightning.read(path, lightning.sniff(Probe(path)).entries))


def table(tmp_path, text):
    path = tmp_path / "metrics.csv"
    path.write_bytes(text.encode())
    return read(path)


def test_a_sparse_table_with_its_settings():
    sign = lightning.sniff(Probe(RUN))
    assert (sign.level, sign.entries) == (Level.DIRECTORY, ("metrics.csv", "hparams.yaml"))
    got = read(RUN)
    assert got.error is None
    assert got.problems == []
    assert got.values["", "train/loss"] == [(s, 4.0 - s / 16) for s in LOGGED]
    assert got.values["", "val_loss"] == [(s, 5.0 - (s + 1) / 8) for s in (9, 19, 29)]
    odd = {4: math.nan, 9: math.inf, 14: -math.inf}
    assert same(got.values["", "odd"], [(s, odd.get(s, float(s))) for s in LOGGED])
    assert got.values["", 'a, "quoted" name'] == [(19, 0.5)]
    assert [epoch for _, epoch in got.values["", "epoch"]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert got.count == 6 + 3 + 6 + 1 + 9
    assert got.runs[""]["config"] == {
        "dropout": None,
        "layers": [1, 2],
        "learning_rate": 0.001,
        "model.d_model": 64,
        "model.n_layers": 2,
        "name": "tiny: one",
    }


def test_a_table_alone_is_known_by_name_and_columns(tmp_path):
    shutil.copy(RUN / "metrics.csv", tmp_path / "metrics.csv")
    assert lightning.sniff(Probe(tmp_path / "metrics.csv")).level == Level.KEYS
    assert read(tmp_path / "metrics.csv").count == 25
    shutil.copy(RUN / "metrics.csv", tmp_path / "other.csv")
    assert lightning.sniff(Probe(tmp_path / "other.csv")) is None


def test_a_row_that_is_cut_off_is_left_out(tmp_path):
    got = table(tmp_path, "epoch,step,loss\n0,1,2.5\n0,2,2.1")
    assert got.values["", "loss"] == [(1, 2.5)]
    assert any("no end" in note for note in got.notes)
    got = table(tmp_path, 'epoch,step,loss\n0,1,2.5\n0,2,"2.1')
    assert got.error is None
    assert got.values["", "loss"] == [(1, 2.5)]


def test_rows_that_are_refused(tmp_path):
    got = table(
        tmp_path, "epoch,step,loss\n0,,1\n0,-1,1\n0,1.5,1\n0,99999999999999999999,1\n0,7.0,1\n0,8,x\n0,9,1,2\n\n0,10\n"
    )
    assert [(one.line, one.column, one.refused) for one in got.problems] == [
        (2, "step", "row"),
        (3, "step", "row"),
        (4, "step", "row"),
        (5, "step", "row"),
        (7, "loss", "value"),
        (8, None, "row"),
    ]
    assert got.values["", "loss"] == [(7, 1.0)]
    assert got.values["", "epoch"] == [(7, 0.0), (8, 0.0), (10, 0.0)]


def test_odd_names_bom_and_line_ends(tmp_path):
    got = table(tmp_path, '\ufeffepoch,step,"a ""b""\nc",ü - x\r\n0,3,1.5,2.5\r\n')
    assert got.values == {("", "epoch"): [(3, 0.0)], ("", 'a "b"\nc'): [(3, 1.5)], ("", "ü - x"): [(3, 2.5)]}


def test_a_quote_that_never_ends_gives_what_was_before_it(tmp_path):
    got = table(tmp_path, 'epoch,step,loss\n0,1,2.5\n0,2,"a"b\n0,3,1\n')
    assert got.values["", "loss"] == [(1, 2.5)]
    assert got.error.place == "line 3"


def test_ten_thousand_columns(tmp_path):
    names = ",".join(f"m{i}" for i in range(10_000))
    got = table(tmp_path, f"epoch,step,{names}\n0,1,{',' * 9_999}\n0,2,{','.join(['0.5'] * 10_000)}\n")
    assert got.count == 10_002
    assert got.values["", "m9999"] == [(2, 0.5)]


def test_a_table_without_steps_is_an_error(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("a,b\n1,2\n")
    assert "no column 'step'" in str(Gathered(lightning.read(path, ())).error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 'it''s: x'\nc: \"q\\\"\"\n", {"a": 1, "b": "it's: x", "c": 'q"'}),
        ("d: .nan\ne: 1e-3\nf: -.inf\n", {"e": 0.001, "f": -math.inf}),
        ("a:\n  b:\n    c: true\n  d: ~\ne: []\n", {"a.b.c": True, "a.d": None, "e": []}),
        ("a:\n- 1\n- x y\nb: 2\n", {"a": [1, "x y"], "b": 2}),
        ("a:\n  - 1\n  - - 2\n", {"a": [1, "- 2"]}),
        ("a: !!python/object:os.system\n  args: [rm]\nb: 2\n", {"b": 2}),
        ("a: &x 1\nb: *x\nc: {d: 1}\ne: |\n  text: 1\nf: 3\n", {"f": 3}),
        ("a: 99999999999999999999\n", {"a": 1e20}),
        ("\t: \n: :\n- a\n{}\n", {}),
    ],
)  # fmt: skip
def test_the_plain_part_of_yaml(tmp_path, text, expected):
    path = tmp_path / "hparams.yaml"
    path.write_text(text)
    got = {key: value for key, value in plain_yaml(path).items() if value == value}
    assert got == expected
