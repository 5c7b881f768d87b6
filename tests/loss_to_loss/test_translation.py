"""Translating a law: the exact algebra, the composition, what is uncertain, and back-tests."""

from dataclasses import replace

import numpy as np
import pytest

import scaling
from scaling.downstream import chain
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.fitting.compile import compile_law, compile_value
from scaling.laws.book import find_law
from scaling.loss_to_loss import translate
from scaling.loss_to_loss.translation.backtest import PairRows, Runs, backtest_translation, seen_through
from scaling.loss_to_loss.translation.draws import map_rows
from scaling.loss_to_loss.translation.optimum import best_params
from scaling.loss_to_loss.translation.power_map import compose, read_power_map, translate_kaplan
from scaling.results import Fit
from scaling.rivals import Rival

TRUTH = {"E": 1.9, "N_c": 6.7e7, "D_c": 8.9e8, "alpha_N": 0.41, "alpha_D": 0.46}
MAP = {"K": 0.6, "kappa": 1.1, "E_y": 1.3}
BOUNDS = {"K": {"low": 1e-6, "high": 1e6}, "kappa": {"low": 0.01, "high": 10}, "E_y": {"low": 0, "high": "min(y)"}}
FAR = {"N": np.array([3.3e9, 2e10]), "D": np.array([5e10, 4e11])}
N, D = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 1.7e9, 6), np.geomspace(4e8, 3e10, 6)))
SIZES = {"N": N, "D": D}


def kaplan(inputs=SIZES):
    t = TRUTH
    bracket = (t["N_c"] / inputs["N"]) ** (t["alpha_N"] / t["alpha_D"]) + t["D_c"] / inputs["D"]
    return t["E"] + bracket ** t["alpha_D"]


def mapped(x):
    return MAP["K"] * (x - TRUTH["E"]) ** MAP["kappa"] + MAP["E_y"]


def noise(seed, size=0.004):
    return np.exp(size * np.random.default_rng(seed).normal(size=len(N)))


OLD = kaplan() * noise(1)
NEW = mapped(kaplan()) * noise(2, 0.003)


def fit_source(law="kaplan", observed=OLD, bootstrap=60, seed=0, **settings):
    return scaling.fit(law, SIZES, observed, objective="squared", bootstrap=bootstrap, seed=seed, **settings)


def fit_map(floor, x=OLD, y=NEW, bootstrap=60, **settings):
    formula = f"K*(x - {floor!r})**kappa + E_y"
    return scaling.fit(
        formula, {"x": x}, y, objective="squared", residual="linear", bootstrap=bootstrap, parameters=BOUNDS, **settings
    )


@pytest.fixture(scope="module")
def source():
    return fit_source()


@pytest.fixture(scope="module")
def chinchilla():
    return fit_source("chinchilla")


@pytest.fixture(scope="module")
def pair(source):
    return fit_map(source.estimates["E"])


@pytest.fixture(scope="module")
def bent():
    """A map without a floor, whose parameters are called like those of Chinchilla's law."""
    return scaling.fit(
        "A + B*x + c*x**2", {"x": OLD}, NEW, objective="squared", residual="linear", bootstrap=60, seed=3
    )


@pytest.fixture(scope="module")
def exact(source, pair):
    return translate(source, pair)


def closed_form(e, budgets):
    """N*(C) of Kaplan's law (arXiv:2411.12925), and the constant G in it."""
    a, b = e["alpha_N"], e["alpha_D"]
    size = a * e["N_c"] ** (a / b) / (b * e["D_c"])
    return size, (size * budgets / 6) ** (b / (a + b))


def test_kaplans_law_through_a_power_from_its_floor_is_kaplans_law_again(source, pair, exact):
    s, m = source.estimates, pair.estimates
    assert exact.law.formula == source.law.formula
    assert exact.settings["translated"]["way"] == "exact"
    wanted = {
        "E": m["E_y"],
        "N_c": s["N_c"] * m["K"] ** (1 / (m["kappa"] * s["alpha_N"])),
        "D_c": s["D_c"] * m["K"] ** (1 / (m["kappa"] * s["alpha_D"])),
        "alpha_N": m["kappa"] * s["alpha_N"],
        "alpha_D": m["kappa"] * s["alpha_D"],
    }
    assert exact.estimates == pytest.approx(wanted, rel=1e-12)
    through = pair.evaluate({"x": source.evaluate(FAR)[0]})[0]
    assert exact.evaluate(FAR)[0] == pytest.approx(through, rel=1e-12)


def test_the_published_law_and_map_give_the_published_translation():
    """FineWeb-Edu to Proof-Pile-2, arXiv:2411.12925: six digits each, and that is what comes out."""
    law = find_law("kaplan")
    theta = np.array([[law.published[0].values[name] for name in law.parameter_names]])
    got = translate_kaplan(law, theta, np.array([0.589334]), np.array([1.097705]), np.array([1.335783]))[0]
    values = dict(zip(law.parameter_names, got, strict=True))
    wanted = {"E": 1.335783, "N_c": 2.08022e7, "D_c": 3.09156e8, "alpha_N": 0.453240, "alpha_D": 0.500094}
    assert values == pytest.approx(wanted, rel=3e-6)


def test_the_compute_optimal_model_is_that_of_the_old_corpus(source, exact):
    budgets = np.array([1e20, 1e22, 1e24])
    (g, n), (g_new, n_new) = (closed_form(fit.estimates, budgets) for fit in (source, exact))
    assert g_new == pytest.approx(g, rel=1e-12)
    assert n_new == pytest.approx(n, rel=1e-12)
    for fit in (source, exact):
        assert best_params(fit.law, fit.estimates, budgets) == pytest.approx(n, rel=1e-12)
    record = exact.settings["translated"]
    assert record["invariant"] is True
    assert record["optimum"]["largest_relative_difference"] < 1e-12
    # Golden section on the loss itself ends at the root of rounding.
    split, before = (scaling.allocate(fit, budgets) for fit in (exact, source))
    assert split.n_params == pytest.approx(before.n_params, rel=1e-6)


def test_a_map_that_bends_moves_no_optimum_either(chinchilla, bent):
    record = translate(chinchilla, bent).settings["translated"]
    assert record["way"] == "pointwise"
    assert record["optimum"]["largest_relative_difference"] < 1e-12
    assert record["invariant"] is True


@pytest.mark.parametrize("far", [SIZES, FAR], ids=["inside", "beyond"])
def test_composition_is_the_map_of_the_law_for_estimates_and_replicates(chinchilla, bent, far):
    fit = translate(chinchilla, bent, seed=5)
    assert set(bent.law.parameter_names) == {"A", "B", "c"}
    assert fit.law.parameter_names == ("E", "A", "B", "alpha", "beta", "A_map", "B_map", "c")
    losses = chinchilla.evaluate(far)[0]
    assert fit.evaluate(far)[0] == pytest.approx(bent.evaluate({"x": losses})[0], rel=1e-12)
    # Each replicate is one of the law with one of the map, each used once.
    law, of_map = fit.replicates[:, :5], fit.replicates[:, 5:]
    assert np.array_equal(law, chinchilla.replicates)
    assert not np.array_equal(of_map, bent.replicates)
    assert np.array_equal(np.sort(of_map, axis=0), np.sort(bent.replicates, axis=0))
    wanted = map_rows(bent, chinchilla.evaluate(far, law), of_map)
    assert fit.evaluate(far, fit.replicates) == pytest.approx(wanted, rel=1e-12)


def test_replicates_drawn_together_stay_together(chinchilla, bent):
    together = translate(chinchilla, bent, paired=True)
    assert np.array_equal(together.replicates, np.hstack([chinchilla.replicates, bent.replicates]))
    assert together.settings["translated"]["paired"] is True
    one, other, again = (translate(chinchilla, bent, seed=s).replicates for s in (1, 2, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_replicate_with_another_floor_still_says_the_same_of_the_runs(source, pair):
    """Exact replicates follow the floor of the source; the losses of the data must not move with it."""
    fit = translate(source, pair, paired=True)
    # What the map says of each replicate of the law, with the floor that it was fitted with.
    wanted = map_rows(pair, source.evaluate(SIZES, source.replicates), pair.replicates)
    place = [pair.law.parameter_names.index(name) for name in ("K", "kappa", "E_y")]
    plain = translate_kaplan(source.law, source.replicates, *(pair.replicates[:, j] for j in place))
    off, naive = (np.sqrt(np.mean((fit.evaluate(SIZES, rows) - wanted) ** 2)) for rows in (fit.replicates, plain))
    assert np.std(source.replicates[:, 0]) > 0.005
    assert off < naive / 20
    assert off < 3e-4


def test_covariance_is_that_of_the_replicates_on_the_internal_scale(exact, chinchilla, bent):
    for fit in (exact, translate(chinchilla, bent)):
        rows = np.where(fit.log_scaled, np.log(fit.replicates), fit.replicates)
        assert fit.covariance == pytest.approx(np.cov(rows.T), rel=1e-12)
        assert fit.settings["bootstrap"] == len(fit.replicates) == 60


def test_without_replicates_the_covariances_are_carried_through(source, pair, chinchilla, bent):
    def bare(fit):
        return replace(fit, replicates=np.empty((0, len(fit.theta))))

    block = translate(bare(chinchilla), bare(bent)).covariance
    assert np.array_equal(block[:5, :5], chinchilla.covariance)
    assert np.array_equal(block[5:, 5:], bent.covariance)
    assert not block[:5, 5:].any()
    # The exact translation, against draws from the same covariances narrow enough to be linear.
    narrow = [replace(bare(fit), covariance=fit.covariance * 1e-4) for fit in (source, pair)]
    fit = translate(*narrow)
    assert fit.replicates.shape == (0, 5)
    rng = np.random.default_rng(0)
    drawn = []
    for one in narrow:
        kernel = compile_value(one.law, one.log_scaled)
        rows = rng.multivariate_normal(kernel.to_internal(one.theta), one.covariance, 4000, method="eigh")
        drawn.append(replace(one, replicates=kernel.to_natural(rows)))
    wanted = translate(*drawn).covariance
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(np.sqrt(np.diag(wanted)), rel=0.04)


def test_a_side_without_replicates_is_drawn_from_its_covariance(chinchilla, bent):
    many = replace(chinchilla, replicates=np.tile(chinchilla.replicates, (40, 1)))
    bare = replace(bent, replicates=np.empty((0, 3)))
    fit = translate(many, bare)
    assert len(fit.replicates) == 2400
    assert fit.settings["translated"]["drawn_from_covariance"] == ["map"]
    got = np.cov(fit.replicates[:, 5:].T)
    assert np.sqrt(np.diag(got)) == pytest.approx(np.sqrt(np.diag(bent.covariance)), rel=0.06)
    unknown = replace(bare, covariance=np.full((3, 3), np.nan))
    fit = translate(many, unknown)
    assert fit.verdict == "weak"
    assert "its covariance does not give the error of A, B, c" in " ".join(fit.diagnostics.reasons)


def test_replicates_below_the_floor_of_the_map_are_counted_and_left_out(chinchilla):
    lowest = chinchilla.evaluate({"N": [N.max()], "D": [D.max()]}, chinchilla.replicates)[:, 0]
    keep = np.quantile(lowest, 0.3) + 1e-3 < OLD
    floor = float(np.quantile(lowest, 0.3))  # 18 of 60 replicates lie at or below it there
    high = fit_map(floor, OLD[keep], NEW[keep])
    fit = translate(chinchilla, high)
    gone = fit.settings["translated"]["replicates_outside"]
    assert gone == np.sum(lowest <= floor) == np.sum(np.isnan(fit.replicates).all(axis=1)) == 18
    assert fit.verdict == "weak"
    assert any("Of 60 replicates 18 are left out" in reason for reason in fit.diagnostics.reasons)
    assert all(np.isfinite(list(fit.standard_errors.values())))
    assert Fit.from_json(fit.to_json()) == fit


def test_the_verdict_is_the_worse_one_and_says_whose_it_is(source, pair):
    few = slice(0, 36, 6)
    poor = fit_map(source.estimates["E"], OLD[few], NEW[few])
    assert poor.verdict == "not identified"
    fit = translate(source, poor)
    assert fit.verdict == "not identified"
    assert "The map 'formula': There are too few rows" in " ".join(fit.diagnostics.reasons)
    with pytest.raises(VerdictError, match="too few rows"):
        fit.predict({"N": 1e9, "D": 2e10})
    weak = replace(source, diagnostics=replace(source.diagnostics, converged=False))
    fit = translate(weak, pair)
    assert fit.verdict == "weak"
    assert fit.diagnostics.reasons[0].startswith("The law 'kaplan': The optimum was not reached")


def test_residuals_are_those_of_the_runs_given(source, pair):
    rows = {"N": N[::5], "D": D[::5]}
    fit = translate(source, pair, rows, NEW[::5])
    assert np.array_equal(fit.residuals, NEW[::5] - fit.evaluate(rows)[0])
    assert fit.n_obs == len(NEW[::5])
    assert fit.support["loss"] == (NEW[::5].min(), NEW[::5].max())
    assert fit.support["N"] == (N.min(), N.max())
    assert fit.objective_value == pytest.approx(np.sum(fit.residuals**2))
    # Two runs are enough: nothing is fitted to them.
    assert translate(source, pair, {"N": N[:2], "D": D[:2]}, NEW[:2]).n_obs == 2


def test_without_runs_the_scatter_is_that_of_the_pairs_and_of_the_law(source, pair):
    rng = np.random.default_rng(4)
    many = replace(source, residuals=rng.normal(0, 0.01, 4000))
    wide = replace(pair, residuals=rng.normal(0, 0.003, 4000))
    fit = translate(many, wide)
    x = np.geomspace(*pair.support["x"], 400)
    slope = MAP["kappa"] * MAP["K"] * (x - TRUTH["E"]) ** (MAP["kappa"] - 1)
    wanted = np.sqrt(0.003**2 + np.mean((slope * x * 0.01) ** 2))
    assert np.sqrt(np.mean(fit.residuals**2)) == pytest.approx(wanted, rel=0.05)
    # The residuals stand for as many parameters as the map was fitted with, and not for those of both.
    assert fit.fitted_parameters == 3
    assert len(translate(source, pair).residuals) == len(pair.residuals)


def test_both_floors_given_keep_the_scale_of_the_map(source):
    floor = source.estimates["E"]
    goal = scaling.Objective("squared", "log", floor=1.25)
    bounds = {name: BOUNDS[name] for name in ("K", "kappa")}
    both = scaling.fit(
        f"K*(x - {floor!r})**kappa + 1.25", {"x": OLD}, NEW, objective=goal, bootstrap=60, parameters=bounds
    )
    fit = translate(source, both)
    assert fit.estimates["E"] == 1.25
    assert fit.standard_errors["E"] == 0
    assert fit.objective == goal
    wide = fit.predict({"N": 1e14, "D": 1e15}, level=0.99)
    assert 1.25 < wide.low < wide.mean < wide.high


def test_rivals_of_both_sides_with_their_weights(chinchilla, bent):
    other = scaling.fit("kaplan", SIZES, OLD, objective="squared", bootstrap=0)
    line = scaling.fit("a + b*x", {"x": OLD}, NEW, objective="squared", residual="linear", bootstrap=0)
    one = replace(chinchilla, rivals=(Rival(other.law, other.estimates, 0.4, 0.01, "squared"),))
    two = replace(bent, rivals=(Rival(line.law, line.estimates, 0.25, 0.02, "squared"),))
    fit = translate(one, two)
    weights = {rival.law.name: rival.weight for rival in fit.rivals}
    assert weights == pytest.approx(
        {"kaplan_by_formula": 0.4 * 0.75, "chinchilla_by_formula": 0.6 * 0.25} | weights, rel=1e-12
    )
    assert sum(rival.weight for rival in fit.rivals) == pytest.approx(1 - 0.6 * 0.75)
    assert sorted(rival.weight for rival in fit.rivals) == pytest.approx([0.1, 0.15, 0.3])
    heaviest = fit.rivals[0]
    wanted = bent.evaluate({"x": other.evaluate(FAR)[0]})[0]
    assert heaviest.evaluate(FAR) == pytest.approx(wanted, rel=1e-12)
    assert "form" in fit.predict(FAR).parts


def test_ends_of_given_floors_go_through_with_their_role(chinchilla, source):
    floor, low = 1.9, 1.85
    both = fit_map(floor, bootstrap=0)
    end = fit_map(low, bootstrap=0)
    moved = Rival(end.law, end.estimates, 0.0, float("nan"), "squared", role="floor_x")
    fit = translate(chinchilla, replace(both, rivals=(moved,)))
    [rival] = fit.rivals
    assert (rival.role, rival.weight) == ("floor_x", 0)
    assert rival.evaluate(FAR) == pytest.approx(end.evaluate({"x": chinchilla.evaluate(FAR)[0]})[0], rel=1e-12)
    assert "floors" in fit.predict(FAR).parts


def test_the_back_test_of_the_law_is_seen_through_the_map_and_widens_the_forecast(source, pair):
    found = scaling.backtest_law(source, SIZES, OLD, bootstrap=20)
    tested = replace(source, backtest=found)
    fit = translate(tested, pair)
    back = fit.backtest
    assert back.law == "kaplan seen through the map formula"
    one = {"x": found.predicted[:1]}, {"x": found.observed[:1]}
    predicted, observed = (pair.evaluate(x)[0][0] for x in one)
    assert back.error[0] == pytest.approx(np.log(predicted / observed), abs=1e-12)
    edge = pair.evaluate({"x": found.predicted[:1] * np.exp(found.change[:1])})[0][0]
    assert back.change[0] == pytest.approx(np.log(edge / predicted), abs=1e-12)
    assert np.array_equal(back.cut, found.cut)
    target = {"N": 3.3e9, "D": 5e10}
    plain, wide = replace(fit, backtest=None).predict(target), fit.predict(target)
    assert wide.parts["back-test"] > 0.05
    assert wide.high - wide.low > 1.03 * (plain.high - plain.low)
    assert wide.backtest.startswith("Back-test at")


def added_by_backtest(fit, target, level=0.9):
    """Half width below that a back-test adds in quadrature, plain differences; and what it is of: the losses."""
    wide, plain = (f.predict(target, level=level) for f in (fit, replace(fit, backtest=None)))
    return np.sqrt((wide.mean - wide.low) ** 2 - (plain.mean - plain.low) ** 2), wide.mean


def test_what_the_map_missed_by_is_added_on_its_own_scale(source, pair):
    target = {"N": 2e10, "D": 4e11}
    tested = replace(source, backtest=scaling.backtest_law(source, SIZES, OLD, bootstrap=0))
    mapped_by = replace(pair, backtest=scaling.backtest_law(pair, {"x": OLD}, NEW, bootstrap=0, by=6 * N * D))
    fit = translate(tested, mapped_by)
    [step] = fit.backtest.steps
    assert step.share == mapped_by.backtest.missed_share()
    both, mean = added_by_backtest(fit, target)
    alone, _ = added_by_backtest(replace(fit, backtest=replace(fit.backtest, steps=())), target)
    # The map's own forecast at the loss that the law predicts has the same part.
    own, _ = added_by_backtest(mapped_by, {"x": source.evaluate({k: [v] for k, v in target.items()})[0][0]})
    assert own > 0.01 * mean
    assert both == pytest.approx(np.hypot(alone, own), rel=1e-6)
    assert Fit.from_json(fit.to_json()).backtest == fit.backtest
    assert "came without" not in " ".join(fit.diagnostics.reasons)
    # Without a back-test of the map, what maps usually miss by.
    [step] = translate(tested, pair).backtest.steps
    assert (step.share, step.degrees) == (0.06, 1)


def test_a_law_without_a_back_test_misses_by_what_is_usual(source, pair):
    fit = translate(source, pair)
    assert fit.verdict == "weak"
    law, a_map = fit.diagnostics.reasons[-2:]
    assert law.startswith("The law 'kaplan' came without a back-test, so forecasts")
    assert a_map.startswith("The map 'formula' came without a back-test, so forecasts")
    found = fit.backtest
    assert (len(found), found.axis, found.powers) == (0, "6*N*D", {"N": 0.5, "D": 0.5})
    assert found.edge == pytest.approx(6 * N.max() * D.max())
    assert found.reason == "the law came without a back-test of its own"
    said = fit.predict({"N": 2e10, "D": 4e11}, level=0.9)
    assert said.parts["usual error"] > 0.3
    assert "the law came without a back-test of its own" in said.backtest
    far = {"N": 10 * N.max(), "D": 10 * D.max()}  # at the ratio of the largest run, to which it is brought back
    alone, _ = added_by_backtest(replace(fit, backtest=replace(found, steps=())), far)
    at, edge = (fit.evaluate({"N": [n], "D": [d]})[0][0] for n, d in (far.values(), (N.max(), D.max())))
    assert alone == pytest.approx(1.644854 * 0.12 * (edge - at), rel=1e-5)
    inside = {"N": 1e9, "D": 1e10}
    assert fit.predict(inside).low == replace(fit, backtest=None).predict(inside).low
    assert Fit.from_json(fit.to_json()) == fit


def test_held_out_runs_below_the_floor_of_the_map_are_counted(source, pair):
    found = scaling.backtest_law(source, SIZES, OLD, bootstrap=0)
    high = fit_map(float(np.quantile(OLD, 0.21)), OLD[np.quantile(OLD, 0.21) < OLD], NEW[np.quantile(OLD, 0.21) < OLD])
    back = seen_through(found, high)
    below = int(np.sum(found.observed <= np.quantile(OLD, 0.21)))
    assert 0 < below < len(found)
    assert len(back) == len(found) - below
    assert f"{below} forecasts left out" in back.skipped[-1][1]


def rows_of(old=OLD, new=NEW):
    return Runs(SIZES, old), PairRows(old, new, 6 * N * D), Runs(SIZES, new)


def test_a_translation_forecasts_the_runs_held_out_of_an_exact_truth(source):
    old = kaplan()
    law = fit_source(observed=old, bootstrap=0)
    a_map = fit_map(law.estimates["E"], old, mapped(old), bootstrap=0)
    found = backtest_translation(law, a_map, *rows_of(old, mapped(old)), bootstrap=0)
    assert len(found) >= 30
    assert np.abs(found.error).max() < 1e-5
    assert found.axis == "6*N*D"
    assert found.edge == pytest.approx(6 * N.max() * D.max())
    assert np.all(found.factor > 1)
    assert found.n_rows == 36
    fit = replace(translate(law, a_map), backtest=found)
    assert Fit.from_json(fit.to_json()) == fit


def test_nothing_of_a_refit_knows_what_is_held_out(source, pair):
    found = backtest_translation(source, pair, *rows_of(), bootstrap=0, steps=(4.0,))
    late = found.cut[0] * 1.001 < 6 * N * D
    moved_old, moved_new = np.where(late, OLD * 1.05, OLD), np.where(late, NEW * 0.97, NEW)
    other = backtest_translation(source, pair, *rows_of(moved_old, moved_new), bootstrap=0, steps=(4.0,))
    assert np.array_equal(other.predicted, found.predicted)
    assert other.error == pytest.approx(found.error - np.log(0.97), abs=1e-9)
    assert np.array_equal(found.row, np.flatnonzero(late))


def test_cut_offs_with_too_little_say_which_side_lacks_it(source, pair):
    old, pairs, new = rows_of()
    late = 6 * N * D > 3e19
    few = PairRows(OLD[late], NEW[late], (6 * N * D)[late])
    found = backtest_translation(source, pair, old, few, new, bootstrap=0, steps=(20.0,))
    assert not len(found)
    assert found.reason.startswith("of the pairs, 0 rows are left for the 3 parameters, and at least 7")
    short = Runs({"N": N[late], "D": D[late]}, OLD[late])
    found = backtest_translation(source, pair, short, pairs, new, bootstrap=0, steps=(20.0,))
    assert found.reason.startswith("of the old corpus, 0 rows are left for the 5 parameters")


def test_a_map_serves_as_the_second_step_of_a_chain(source, pair):
    """x predicted: the same forecast as that of the translated law, with the errors of both."""
    target = {"N": 3.3e9, "D": 5e10}
    tested = replace(source, backtest=scaling.backtest_law(source, SIZES, OLD, bootstrap=0))
    plain, wide = (chain(fit, pair, target, level=0.9) for fit in (source, tested))
    assert plain.mean == pytest.approx(translate(source, pair).predict(target).mean, rel=1e-12)
    assert wide.high - wide.low > 1.03 * (plain.high - plain.low)
    assert wide.backtest.startswith("Back-test at")
    assert "errors of form and back-test of the loss" in wide.method


@pytest.mark.parametrize(
    "formula", ["K*(x - 1.9)**kappa + E_y", "K*x**kappa", "K*(x - E_x)**kappa + 1.3", "K*(x - 1.9)**kappa"]
)
def test_power_maps_are_read_off_their_formula(formula):
    law = find_law(formula, ["x"])
    fit = replace(fit_stub(), law=law)
    power = read_power_map(fit)
    if isinstance(power.floor_x, str):
        assert (power.floor_x, power.floor_y) == ("E_x", 1.3)
    else:
        same = find_law(power.formula(power.floor_x), ["x"])
        assert same.expression == law.expression
    assert read_power_map(replace(fit, law=find_law("a + b*x", ["x"]))) is None
    assert read_power_map(replace(fit, law=find_law("K*exp(kappa*x) + E_y", ["x"]))) is None


def fit_stub():
    x = np.array([2.1, 2.4, 2.6, 3.0, 3.3, 3.9, 4.4])
    return scaling.fit("a + b*x", {"x": x}, x * 0.9, objective="squared", residual="linear", bootstrap=0)


def test_a_given_floor_is_taken_from_the_record_of_the_map():
    record = {"loss_to_loss": {"floor_x": {"kind": "given", "value": 1.9000000000000001}}}
    fit = replace(fit_stub(), law=find_law("K*(x - 1.9)**kappa", ["x"]), settings=record)
    assert read_power_map(fit).floor_x == 1.9000000000000001


def test_what_is_no_map_of_the_law_is_refused(source, pair, chinchilla):
    with pytest.raises(UsageError, match="has the inputs N, D, and a map has one"):
        translate(source, chinchilla)
    with pytest.raises(UsageError, match=r"fitted over losses of 0\.\d+ to 1\.\d+, and the law to losses of 2\."):
        translate(source, fit_map(0.2, OLD / 4, NEW, bootstrap=0))
    other = replace(pair, law=replace(pair.law, inputs={"x": "bits/byte"}))
    with pytest.raises(UsageError, match="is in nats/token, and the map takes bits/byte"):
        translate(source, other)
    with pytest.raises(UsageError, match="a map to translate with is a fit, not NoneType"):
        translate(source, None)
    with pytest.raises(UsageError, match="a law to translate with is a fit, not str"):
        translate("kaplan", pair)
    with pytest.raises(UsageError, match="both their inputs and their losses"):
        translate(source, pair, SIZES)
    with pytest.raises(InputDataError, match="needs the input 'D'"):
        translate(source, pair, {"N": N}, NEW)


def test_rows_on_which_the_translated_law_has_no_value_are_refused(chinchilla):
    floor = float(np.quantile(OLD, 0.21))
    high = fit_map(floor, OLD[floor < OLD], NEW[floor < OLD], bootstrap=0)
    first = int(np.flatnonzero(chinchilla.evaluate(SIZES)[0] <= floor)[0])
    with pytest.raises(InputDataError, match=f"has no value at row {first} of"):
        translate(chinchilla, high, SIZES, NEW)


def test_what_rests_on_a_fit_to_the_rows_is_refused(source, pair):
    fit = translate(source, pair, SIZES, NEW)
    with pytest.raises(UsageError, match="so they give no profile likelihood of it"):
        scaling.profile_likelihood(fit, SIZES, NEW, "E")
    with pytest.raises(UsageError, match="so more of them would not teach it anything"):
        scaling.plan_runs(fit, SIZES, NEW, 1e21, target_flop=1e23)
    with pytest.raises(UsageError, match="so its back-test is not that of a law fitted to them"):
        scaling.backtest_law(fit, SIZES, NEW)


def test_a_formula_that_gets_too_long_is_refused(chinchilla):
    long = " + ".join(["a*x**2"] + [f"b*x**{k + 3}" for k in range(60)])
    with pytest.raises(UsageError, match="characters, and formulas have 2000 at most"):
        compose(chinchilla.law, find_law(long, ["x"]))


def test_values_without_derivatives_are_those_with_them(chinchilla):
    kernels = [make(chinchilla.law, chinchilla.log_scaled) for make in (compile_law, compile_value)]
    theta = kernels[0].to_internal(chinchilla.replicates)
    one, other = (kernel.value(theta, kernel.prepare(FAR)) for kernel in kernels)
    assert np.array_equal(one, other)
