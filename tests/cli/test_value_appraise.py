"""Appraisals and baselines on the command line: what is printed, saved, documented and refused."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from scaling.valuation import appraise, make_objective, random_band, score_curve_of
from tests.scored_subsets import BEND, COLUMNS, N_RANDOM, QUICK, N, documented, scored, table

Run = Callable[..., Any]
Write = Callable[[str, str], Path]
APPRAISE = ("value", "appraise", "subsets.csv", *COLUMNS, *QUICK)
RANDOM = ("--random", "random")
#: A score that has no bend to fit stands in for a second one where fits are saved.
ONE = (
    "value",
    "appraise",
    "subsets.csv",
    *COLUMNS[:2],
    "--score",
    "pushed",
    "--score",
    "constant",
    *COLUMNS[6:],
    *QUICK,
)


@pytest.fixture
def subsets(write: Write) -> Path:
    return write("subsets.csv", table())


def test_what_is_printed_is_documented_and_is_that_of_the_library(subsets: Path, ok: Run) -> None:
    row = ok(*APPRAISE, *RANDOM).row
    assert set(row) == documented("appraise")
    found = scored()
    own = appraise(
        np.full(N, 100), found["accuracy"], {"good": found["good"], "pushed": found["pushed"]},
        is_random=found["random"], bootstrap=12, permutations=49,
    )  # fmt: skip
    told = {(one["objective"], one["regime"], one["subsets"]): one for one in row["relations"]}
    for one in own.relations:
        mine = told[one.objective, one.regime, one.subsets]
        assert (mine["n"], mine["strata"], mine["part"]) == (one.n, one.strata, None)
        for measure in ("spearman", "kendall", "pearson", "isotonic_r2"):
            assert mine[measure]["value"] == pytest.approx(getattr(one, measure).value, rel=1e-12)
            assert mine[measure]["low"] == pytest.approx(getattr(one, measure).low, rel=1e-12)
    assert told["good", "pooled", "all"]["pearson"]["value"] == pytest.approx(
        stats.pearsonr(found["good"], found["accuracy"])[0]
    )
    flagged = {one["objective"]: one for one in row["over_optimised"]}
    assert (flagged["pushed"]["flagged"], flagged["good"]["flagged"]) == (True, False)
    assert abs(flagged["pushed"]["s0"] - BEND) < 1
    assert (row["n"], row["n_random"], row["appraisal"], row["fits"]) == (N, N_RANDOM, None, [])
    best = {one["objective"]: one for one in row["highest"]}["pushed"]
    top = int(np.argmax(np.where(found["random"], -np.inf, found["pushed"])))
    assert best["subset"] == f"s{top}"
    random = found["pushed"][found["random"]]
    assert best["z_random"] == pytest.approx((found["pushed"][top] - random.mean()) / random.std(ddof=1))


def test_the_text_says_what_predicts_and_the_sheet_has_the_correlations(subsets: Path, ok: Run) -> None:
    text = ok(*APPRAISE, *RANDOM, "--format", "table").out
    for words in (
        "90 subsets, 50 of them at random; accuracy (higher is better)", "pushed: over-optimised", "Optimise to",
        "good: not seen to be over-optimised", "fixed size: the same subsets as pooled", "random subsets",
        "no regime 'class-balanced': no class counts", "all subsets have 100 members",
        "fewer than three sizes: what a score is worth in random examples is not known",
    ):  # fmt: skip
        assert words in text
    sheet = ok(*APPRAISE, *RANDOM, "--format", "csv").table
    assert [line["objective"] for line in sheet[:2]] == ["good", "pushed"]
    assert float(sheet[0]["pearson_low"]) < float(sheet[0]["pearson"]) < float(sheet[0]["pearson_high"])


def test_it_is_saved_shown_appraised_again_and_removed(subsets: Path, ok: Run, refused: Run) -> None:
    made = ok(*ONE, *RANDOM, "--name", "study").row
    assert [one["name"] for one in made["fits"]] == ["study_pushed"]
    kept = ok("sql", "SELECT * FROM appraisals WHERE objective = 'pushed' ORDER BY rowid").rows
    found = scored()
    assert [row["score"] for row in kept] == found["pushed"].tolist()
    assert [row["performance"] for row in kept] == found["accuracy"].tolist()
    assert {row["regime"] for row in kept} == {None}
    shown = ok("show", "study").row
    assert (shown["n_subsets"], shown["n_random"], shown["performance_metric"]) == (N, N_RANDOM, "accuracy")
    assert shown["findings"]["parts"][0]["best"] == [
        {key: value for key, value in one.items() if key != "part"} for one in made["best"]
    ]
    text = ok("show", "study", "--format", "table").out
    assert max(len(line) for line in text.splitlines() if "  scaling value" not in line) < 300
    assert "--format json has all" in text
    again = ok("value", "appraise", "study", *QUICK).row
    for key in ("relations", "best", "over_optimised", "spreads", "highest", "n", "performance"):
        assert again[key] == made[key]
    one = ok("value", "appraise", "study", "--score", "pushed", *QUICK).row
    assert one["objectives"] == ["pushed"]
    assert "already has an appraisal 'study'" in refused(2, *ONE, "--name", "study").err
    own = refused(2, "value", "appraise", "study", "--name", "study", "--replace", *QUICK).err
    assert "would take the place of what it is made from" in own
    assert "names a column" in refused(2, "value", "appraise", "study", "--size", "size").err
    assert "no objective 'bad'" in refused(2, "value", "appraise", "study", "--score", "bad").err
    assert "There are: study" in refused(4, "value", "appraise", "studi").err
    ok("rm", "appraisal", "study")
    assert ok("ls", "--what", "appraisals").rows == []


def test_sizes_give_worth_in_random_examples_and_classes_a_regime(write: Write, ok: Run) -> None:
    found = scored()
    sizes = (50, 100, 200)
    size = np.array([sizes[i % 3] for i in range(N)])
    grown = found["good"] + 30 * np.log(size)
    write("subsets.csv", table({"good": [f"{v:.17g}" for v in grown]}, sizes))
    words = [word for i, word in enumerate(APPRAISE) if i not in (7, 8)]  # without the other score
    row = ok(*words, *RANDOM, "--class-count", "a", "--class-count", "b", "--budget", "size", "--name", "m").row
    regimes = {one["regime"]: one for one in row["relations"] if one["subsets"] == "all" and one["objective"] == "good"}
    assert {name: (one["n"], one["strata"]) for name, one in regimes.items()} == {
        "pooled": (90, 1), "fixed size": (90, 3), "class-balanced": (60, 2), "fixed budget": (90, 3)
    }  # fmt: skip
    assert regimes["pooled"]["given"] == ["log size", "class-balance entropy"]
    kept = ok("sql", "SELECT * FROM appraisals WHERE objective = 'good' ORDER BY rowid").rows
    curve = score_curve_of(size[:N_RANDOM], grown[:N_RANDOM])
    for i in (0, 20, 70):
        expected = curve.worth(float(grown[i]), bootstrap=2).size
        assert kept[i]["n_eq"] == (pytest.approx(expected) if 0 < expected < np.inf else None)
    assert kept[0]["class_entropy"] == pytest.approx(
        -sum(p * np.log(p) for p in (25 / 70, 45 / 70))
    )  # 50 // 2 and 50 // 2 + 20
    again = ok("value", "appraise", "m", *QUICK).row
    assert [one["spearman"] for one in again["relations"]] == [one["spearman"] for one in row["relations"]]


def test_each_way_of_training_is_a_table_of_its_own_and_a_loss_is_turned_around(write: Write, ok: Run) -> None:
    lines = table().splitlines()
    loss = [f"{1 - float(line.split(',')[5]):.17g}" for line in lines[1:]]
    both = [f"{lines[0]},loss,how"]
    both += [f"{line},{value},{how}" for how in ("long", "short") for line, value in zip(lines[1:], loss, strict=True)]
    write("ways.csv", "\n".join(both))
    words = ("value", "appraise", "ways.csv", "--performance", "loss", "--lower-is-better", *COLUMNS[4:], *QUICK)
    row = ok(*words, *RANDOM, "--regime", "how", "--name", "ways").row
    assert [one["name"] for one in row["fits"]] == ["ways_long_pushed", "ways_short_pushed"]
    parts = [
        [one for one in row["best"] if one["part"] == how and one["regime"] == "pooled"] for how in ("long", "short")
    ]
    assert [one["objective"] for part in parts for one in part] == [parts[0][0]["objective"]] * 2
    relation = row["relations"][0]
    assert relation["spearman"]["value"] > 0.3, "a lower loss goes with a higher score"
    assert row["n"] == 2 * N
    assert ok("verify", "ways_short_pushed").row["status"] == "identical"
    assert "[long] pushed: over-optimised" in ok(*words, *RANDOM, "--regime", "how", "--format", "table").out


def test_sizes_and_random_ones_come_from_the_subsets_of_the_store(write: Write, ok: Run, refused: Run) -> None:
    from db.store import Store
    from db.subsets import save_subset

    with Store("scaling.duckdb") as store:
        save_subset(store, "s0", range(7), objective="x", method="random", is_random=True)
        store.connection.execute(
            "INSERT INTO subsets SELECT subsets.* REPLACE ('s' || i AS subset_name, i < ? AS is_random) FROM subsets, "
            "range(1, ?) AS rows(i)", [N_RANDOM, N],
        ).fetchall()  # fmt: skip
    write("subsets.csv", table())
    without = [word for word in APPRAISE if word not in ("--size", "size")]
    row = ok(*without).row
    assert (row["n_random"], {one["size"] for one in row["spreads"]}) == (N_RANDOM, {7.0})
    err = refused(4, *APPRAISE).err
    assert "has 100 members, and in the store it has 7" in err


def test_what_a_table_cannot_tell_is_said(write: Write, ok: Run) -> None:
    rest = [line.split(",")[5] for line in table().splitlines()[2:]]
    write("subsets.csv", table({"accuracy": ["nan", *rest]}))
    row = ok(*APPRAISE).row
    assert row["n"] == N - 1
    assert "1 subset without a finite performance or score left out" in row["notes"]
    assert any("which subsets are random is not known (--random): there is no band" in note for note in row["notes"])
    assert (row["spreads"], row["highest"]) == ([], [])
    row = ok(*APPRAISE, "--score", "constant", *RANDOM).row
    assert "'constant' is the same for all subsets and predicts nothing" in row["notes"]
    assert next(one["spearman"]["value"] for one in row["relations"] if one["objective"] == "constant") is None
    only = ok("value", "appraise", "subsets.csv", "--performance", "accuracy", "--score", "constant", "--size", "size",
              *QUICK).row  # fmt: skip
    assert only["best"][0]["verdict"] == "pooled: no score varies, so none predicts"
    assert only["over_optimised"] == []


def test_a_bend_by_chance_is_no_finding_and_a_real_one_can_fail_a_command(subsets: Path, ok: Run, run: Run) -> None:
    words = ("value", "appraise", "subsets.csv", "--performance", "accuracy", "--size", "size", *QUICK, *RANDOM)
    straight = ok(*words, "--score", "good", "--fail-on", "over-optimised").row["over_optimised"][0]
    assert straight["p_value"] > 0.05
    assert (straight["reasons"], straight["cap"]) == ([], None)
    answer = run(*words, "--score", "good", "--score", "pushed", "--fail-on", "over-optimised")
    assert answer.code == 1
    assert "Over-optimised: pushed. And --fail-on over-optimised was asked for" in answer.err
    assert answer.rows[0]["n"] == N
    assert run(*words, "--score", "good", "--fail-on", "weak").code == 2


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (2, ("--performance", "accurracy"), "has no column 'accurracy'"),
        (2, ("--score", "goood"), "Did you mean 'good'?"),
        (2, ("--size", "sise"), "has no column 'sise'"),
        (2, ("--random", "rand"), "has no column 'rand'"),
        (4, ("--score", "name"), "subsets.csv:2: the column 'name' holds 's0', which is not a number"),
        (4, ("--random", "name"), "holds 's0'; true or false is expected"),
        (4, ("--id", "constant"), "has the subset '1.5' twice"),
        (2, ("--score", "accuracy"), "both the performance and a score"),
        (2, ("--class-entropy", "good", "--class-count", "a"), "follows from"),
        (2, ("--measure", "cosine"), "not ranked by 'cosine'"),
        (4, ("--performance", "constant"), "The performance is the same in all rows"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    subsets: Path, refused: Run, code: int, words: tuple[str, ...], message: str
) -> None:  # fmt: skip
    assert message in refused(code, *APPRAISE, *RANDOM, *words).err


def test_tables_that_cannot_be_appraised_are_refused(write: Write, refused: Run) -> None:
    lines = table().splitlines()
    write("subsets.csv", "\n".join(lines[:7]))
    assert "6 subsets with a performance and all scores; 8 are needed" in refused(4, *APPRAISE).err
    write("subsets.csv", table({"size": ["100"] * 5 + ["0"] + ["100"] * (N - 6)}))
    assert "subsets.csv:7: the column 'size' holds '0', which is not above 0" in refused(4, *APPRAISE).err
    write("subsets.csv", table({"size": ["100"] * 5 + [""] + ["100"] * (N - 6)}))
    assert "subsets.csv:7: the column 'size' is empty" in refused(4, *APPRAISE).err
    write("subsets.csv", table({"accuracy": ["nan"] * N}))
    assert "0 subsets with a performance" in refused(4, *APPRAISE).err
    write("subsets.csv", table({"random": ["true"] * 5 + [""] + ["false"] * (N - 6)}))
    assert "subsets.csv:7: the column 'random' is empty" in refused(4, *APPRAISE, *RANDOM).err
    assert "Which column of subsets.csv holds the scores is not said" in refused(
        2, "value", "appraise", "subsets.csv", "--performance", "accuracy", "--size", "size"
    ).err  # fmt: skip
    assert "There is no file nothing.csv" in refused(4, "value", "appraise", "nothing.csv", *COLUMNS).err


class TestBaseline:
    """Random subsets, scored."""

    @pytest.fixture
    def rows(self, tmp_path: Path) -> np.ndarray:
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((4, 6))[rng.integers(0, 4, 120)] + 0.4 * rng.standard_normal((120, 6))
        np.save(tmp_path / "x.npy", rows)
        np.save(tmp_path / "chosen.npy", np.arange(20))
        np.save(tmp_path / "classes.npy", np.arange(120) % 3)
        return rows

    WORDS = ("value", "baseline", "x.npy", "--objective", "facility_location", "--sizes", "5,20,60", "--draws", "8")

    def test_band_and_worth_are_those_of_the_library(self, rows: np.ndarray, ok: Run) -> None:
        row = ok(*self.WORDS, "--subset", "chosen.npy", "--band-draws", "30").row
        assert set(row) == documented("baseline")
        objective = make_objective("facility_location", rows, 60)
        [one] = row["baselines"]
        value = objective.score_of(np.arange(20))
        band = random_band(objective, 20, draws=30, seed=1)
        assert one["value"] == pytest.approx(value, rel=1e-12)
        assert one["z"] == pytest.approx(band.z(value), rel=1e-9)
        assert one["band"]["sd"] == pytest.approx(band.sd, rel=1e-9)
        assert one["chance"] == pytest.approx(band.chance(abs(value - band.mean)))
        curve = score_curve_of(np.repeat([5, 20, 60], 8), np.concatenate(one["curve"]["scores"]))
        assert one["n_eq"]["size"] == pytest.approx(curve.worth(value).size)
        text = ok(*self.WORDS, "--subset", "chosen.npy", "--format", "table").out
        assert "chosen.npy (20 examples): a score of" in text
        assert "sd above them" in text
        sheet = ok(*self.WORDS, "--format", "csv").table
        assert [line["size"] for line in sheet] == ["5.0", "20.0", "60.0"]

    def test_it_is_saved_without_a_performance(self, rows: np.ndarray, ok: Run, refused: Run) -> None:
        row = ok(*self.WORDS, "--subset", "chosen.npy", "--labels", "classes.npy", "--name", "by_chance").row
        assert row["balanced"] is True
        kept = ok("sql", "SELECT is_random, count(*) AS n, count(performance) AS p FROM appraisals GROUP BY 1").rows
        assert {one["is_random"]: (one["n"], one["p"]) for one in kept} == {True: (24, 0), False: (1, 0)}
        assert "its subsets were scored and not trained on" in refused(4, "value", "appraise", "by_chance").err
        assert "already" in refused(2, *self.WORDS, "--name", "by_chance").err
        again = ok(*shlex.split(row["command"])[1:], "--replace").row
        assert again["baselines"] == row["baselines"]

    @pytest.mark.parametrize(
        ("code", "words", "message"),
        [
            (2, ("--sizes", "5,x"), "'x' is not a number"),
            (2, ("--sizes", "5,2.5"), "whole numbers"),
            (2, ("--sizes", "5,20,500"), "--sizes has 500, and x.npy has 120 examples"),
            (4, ("--sizes", "20"), "Random subsets of 1 size; a curve needs 3"),
            (2, ("--objective", "vendy"), "vendi"),
            (4, ("--subset", "none.npy"), "none.npy"),
            (4, ("--labels", "chosen.npy"), "120 examples"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, rows: np.ndarray, refused: Run, code: int, words: tuple[str, ...], message: str
    ) -> None:
        assert message in refused(code, *self.WORDS, *words).err
