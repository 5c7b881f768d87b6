"""``scaling transfer translate``, and what other commands make of a translated fit."""

import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

TRUTH = {"E": 1.9, "N_c": 6.7e7, "D_c": 8.9e8, "alpha_N": 0.41, "alpha_D": 0.46}


def log_text():
    """Two corpora of 36 runs each: Kaplan's law, and a shifted power of it."""
    random, t = np.random.default_rng(5), TRUTH
    lines = ["run_id,corpus,N,D,loss"]
    for i, n in enumerate(np.geomspace(2e7, 1.7e9, 6)):
        for j, d in enumerate(np.geomspace(4e8, 3e10, 6)):
            x = t["E"] + ((t["N_c"] / n) ** (t["alpha_N"] / t["alpha_D"]) + t["D_c"] / d) ** t["alpha_D"]
            for corpus, value in (("web", x), ("code", 0.6 * (x - 1.9) ** 1.1 + 1.3)):
                loss = value * np.exp(0.003 * random.standard_normal())
                lines.append(f"{corpus}-{i}{j},{corpus},{n:.9g},{d:.9g},{loss:.9g}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def translated(tmp_path_factory, in_process):
    """A store with the law `web`, the map `to_code` from its floor and the translation `code`; and what was printed."""
    folder = tmp_path_factory.mktemp("translated")
    log, db = folder / "two.csv", folder / "scaling.duckdb"
    log.write_text(log_text(), encoding="utf-8")
    steps = [
        ("ingest", log),
        ("fit", "kaplan", "--where", "corpus = 'web'", "--name", "web", "--objective", "squared", "--bootstrap", "40"),
        ("transfer", "fit", "--from", "web", "--to", "code", "--floor-from", "web", "--form", "shifted_power",
         "--name", "to_code", "--bootstrap", "40"),
        ("transfer", "translate", "web", "to_code", "--name", "code", "--flops", "1e22", "--format", "json"),
    ]  # fmt: skip
    for words in steps:
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db, answer.row


@pytest.fixture
def store(translated, tmp_path):
    return shutil.copy(translated[0], tmp_path / "scaling.duckdb")


def test_it_prints_both_laws_side_by_side(translated, store, ok):
    row = translated[1]
    assert row["way"] == "exact"
    assert row["question"] == "x predicted"
    assert row["name"] == "code"
    assert (row["source"]["name"], row["map"]["name"], row["map"]["form"]) == ("web", "to_code", "shifted_power")
    sides = {one["parameter"]: one for one in row["parameters_side_by_side"]}
    assert set(sides) == set(TRUTH)
    kappa = (
        ok("transfer", "translate", "web", "to_code", "--format", "json").row["estimates"]["alpha_N"]
        / (sides["alpha_N"]["source"])
    )
    assert kappa == pytest.approx(1.1, abs=0.03)
    assert sides["alpha_N"]["target"] == pytest.approx(kappa * sides["alpha_N"]["source"], rel=1e-12)
    assert sides["E"]["target_low"] < 1.3 < sides["E"]["target_high"]
    assert row["backtest"]
    assert row["source_backtest"]
    assert row["sql"].startswith("SELECT run_id")


def test_it_says_that_the_compute_optimal_size_is_the_same(translated, store, ok):
    [at] = translated[1]["optimum"]
    assert at["compute_flop"] == 1e22
    assert at["n_params_target"] == pytest.approx(at["n_params_source"], rel=1e-12)
    assert translated[1]["invariant"] is True
    # As it is, rounding included; at this budget the two differ in the last digit or not at all.
    apart = abs(at["n_params_target"] / at["n_params_source"] - 1)
    assert translated[1]["largest_relative_difference"] == at["relative_difference"] == apart < 1e-12
    # The same by the command that splits budgets, for either fit.
    plans = [ok("allocate", name, "--flops", "1e22", "--format", "json").row for name in ("web", "code")]
    assert [plan["n_params"] for plan in plans] == pytest.approx([at["n_params_source"]] * 2, rel=1e-6)


def test_the_text_says_which_question_it_answers(store, ok):
    text = ok("transfer", "translate", "web", "to_code", "--name", "again", "--format", "table").out
    assert "again: the law web, translated by the map to_code, exactly: the law keeps its form." in text
    assert "whose loss on the old corpus is predicted by the law, and not measured" in text
    assert "scaling transfer forecast to_code --run RUN" in text
    assert "The compute-optimal size of a budget is the same on both corpora." in text
    assert "web: Back-test of kaplan, squared on log residuals" in text
    assert "again: Back-test of kaplan translated by shifted_power" in text
    assert "in SQL: again(n_params, n_tokens)" in text
    assert "translated, exact, by K*(x - 1.9" in text


def test_a_composed_law_has_the_parameters_of_both(store, ok):
    ok("transfer", "fit", "--from", "web", "--to", "code", "--form", "quadratic", "--name", "bent", "--bootstrap", "40")
    row = ok("transfer", "translate", "web", "bent", "--name", "by_bent", "--format", "json").row
    assert row["way"] == "pointwise"
    sides = {one["parameter"]: one for one in row["parameters_side_by_side"]}
    assert sides["c"]["source"] is None
    assert sides["c"]["target"] == row["estimates"]["c"]
    assert row["invariant"] is True
    text = ok("transfer", "translate", "web", "bent", "--format", "table").out
    assert "by putting the formula of the law in the place of x in that of the map" in text


def test_other_commands_take_it_like_any_fit(store, ok, tmp_path):
    target = ("--params", "3.3B", "--tokens", "50B", "--format", "json")
    forecast = ok("forecast", "code", *target).row
    through = ok("forecast", "web", "--then", "to_code", *target).row
    assert forecast["loss"] == pytest.approx(through["y"], rel=1e-12)
    assert forecast["parts"]["back-test"] > 0
    assert ok("verify", "code", "--format", "json").row["status"] == "identical"
    assert ok("backtest", "code", "--bootstrap", "0", "--format", "json").rows
    told = ok("sql", "SELECT code(3.3e9, 5e10) AS loss", "--format", "json").row["loss"]
    assert told == pytest.approx(forecast["loss"], rel=1e-12)
    [listed] = [row for row in ok("fits", "--format", "json").rows if row["name"] == "code"]
    assert listed["law"] == "kaplan"


def test_a_page_is_made_of_it(store, ok, tmp_path):
    ok("report", "code", "--params", "3.3B", "--tokens", "50B", "-o", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "scaling transfer translate web to_code --name code" in page
    assert "Nothing was fitted to the rows of this page" in page
    assert "is predicted by the law, and not measured" in page
    assert "went into the fit" not in page


def test_a_removed_fit_names_what_was_made_of_it(store, ok):
    answer = ok("rm", "fit", "web")
    assert "Made of it, and from now on neither verified nor back-tested: code." in answer.err
    assert "Made of it" not in ok("rm", "fit", "code").err


def test_what_makes_no_sense_is_refused(store, refused):
    answer = refused(2, "transfer", "translate", "to_code", "web")
    assert "The fit 'web' is no map from one loss to another." in answer.err
    answer = refused(2, "transfer", "translate", "web", "to_cod")
    assert "The store has no fit 'to_cod'" in answer.err
    assert "to_code" in answer.err
    answer = refused(2, "transfer", "translate", "web", "to_code", "--name", "web")
    assert "already has a fit 'web'" in answer.err
    refused(2, "transfer", "translate", "web", "to_code", "--flops", "-1")
