"""Intervals hold the truth as often as they say: a thousand simulated sweeps for every law of the book.

Most fits start at the truth, for speed; those that search end at the same optimum.

Bands are those of a binomial count at a false-alarm rate of 1e-4; seeds are fixed. All levels come from the same fits.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import fdtrc

import scaling
from scaling.fitting.held import minimise_held
from scaling.fitting.walk import Setting
from scaling.laws.book import find_law, law_names

SIMULATIONS = 1000
ALWAYS = ("chinchilla", "power")
QUICK = ("chinchilla", "kaplan", "multiplicative", "power", "power_floor", "shifted_power", "skaling")


def sooner(names):
    """Parametrise: two laws always, the others among the slow tests."""
    return [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in names]


def test_the_bands_are_the_published_ones(coverage):
    assert coverage.band(0.95, 1000) == pytest.approx((0.921, 0.975), abs=1.5e-3)
    assert coverage.band(0.95, 200) == pytest.approx((0.880, 0.995), abs=6e-3)


def simulated(law, case, simulations=SIMULATIONS, seed=20260101, **settings):
    """Fits of simulated sweeps with normal noise, and the noise of a new run."""
    truth = {key: case.truth[key] for key in law.parameter_names}
    for i in range(simulations):
        rng = np.random.default_rng([seed, i])
        loss = case.mean * np.exp(case.scatter * rng.standard_normal(len(case.mean)))
        asked = {"objective": "squared", "start": truth, "bootstrap": 0} | settings
        yield scaling.fit(law, case.inputs, loss, **asked), case.scatter * rng.standard_normal()


@pytest.mark.parametrize("name", sooner(law_names()))
def test_t_intervals_cover(name, coverage):
    case = coverage.cases[name]
    shares = coverage.shares(simulated(find_law(name), case), case)
    assert coverage.outside(shares, SIMULATIONS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chinchilla", "gadre", "power_floor"])
def test_fits_that_search_cover_as_those_that_start_at_the_truth(name, coverage):
    case, law = coverage.cases[name], find_law(name)
    told = list(simulated(law, case, 200))
    searching = list(simulated(law, case, 200, start=None))
    for (one, _), (other, _) in zip(told, searching, strict=True):
        assert other.diagnostics.starts > 10
        assert other.theta == pytest.approx(one.theta, rel=1e-5)
    assert coverage.outside(coverage.shares(searching, case), 200) == {}


WEIGHTED = {"n": 60, "scatter": 0.01, "truth": {"E": 2.0, "A": 3.0, "alpha": 0.5}}


def weighted_power(kind, simulations, objective="squared"):
    """Fits of power_floor to rows of weight 0.2 or 5 at random, whose variance is even or one by the weight."""
    truth = WEIGHTED["truth"]
    for i in range(simulations):
        rng = np.random.default_rng([20260606, i])
        x = np.exp(rng.uniform(0, np.log(1e4), WEIGHTED["n"]))
        weights = np.where(rng.random(WEIGHTED["n"]) < 0.5, 0.2, 5.0)
        noise = WEIGHTED["scatter"] * rng.standard_normal(WEIGHTED["n"])
        loss = (2 + 3 / x**0.5) * np.exp(noise / np.sqrt(weights) if kind == "precision" else noise)
        fit = scaling.fit(
            "power_floor", {"x": x}, loss, objective=objective, weights=weights, start=truth, bootstrap=0
        )  # fmt: skip
        yield fit, x, loss, weights


@pytest.mark.parametrize(
    ("kind", "objective"),
    [("importance", "squared"), ("precision", "squared"),
     pytest.param("importance", "huber", marks=pytest.mark.slow),
     pytest.param("precision", "huber", marks=pytest.mark.slow)],
)  # fmt: skip
def test_weighted_fits_cover_whatever_the_weights_stand_for(kind, objective, coverage):
    truth = WEIGHTED["truth"]
    inside = {(what, level): [] for k in truth for what in (k, f"profile of {k}") for level in coverage.levels}
    for fit, x, loss, weights in weighted_power(kind, 200, objective):
        for name, value in truth.items():
            p = scaling.profile_test(fit, {"x": x}, loss, {name: value}, weights=weights)
            for level in coverage.levels:
                low, high = fit.interval(name, level)
                inside[name, level].append(low <= value <= high)
                inside[f"profile of {name}", level].append(p >= 1 - level)
    assert coverage.outside({key: float(np.mean(hits)) for key, hits in inside.items()}, 200) == {}


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [12, 20])
def test_t_intervals_of_few_clusters_cover(clusters, coverage):
    truth = WEIGHTED["truth"]
    groups = np.repeat(np.arange(clusters), 5)
    inside = {(name, level): [] for name in truth for level in coverage.levels}
    for i in range(SIMULATIONS):
        rng = np.random.default_rng([20260707, i])
        x = np.exp(rng.uniform(0, np.log(1e4), 5 * clusters))
        noise = 0.006 * rng.standard_normal(5 * clusters) + 0.008 * rng.standard_normal(clusters)[groups]
        loss = (2 + 3 / x**0.5) * np.exp(noise)
        fit = scaling.fit(
            "power_floor", {"x": x}, loss, objective="squared", groups=groups, start=truth, bootstrap=0
        )  # fmt: skip
        assert fit.verdict == ("weak" if clusters < 20 else "ok")
        for name, value in truth.items():
            for level in coverage.levels:
                low, high = fit.interval(name, level)
                inside[name, level].append(low <= value <= high)
    assert coverage.outside({key: float(np.mean(hits)) for key, hits in inside.items()}, SIMULATIONS) == {}


def noisy_chinchilla(case, noise, simulations=SIMULATIONS, **settings):
    """Fit simulated sweeps; `noise` maps a generator to the noise of the rows and that of a new run."""
    for i in range(simulations):
        rows, new = noise(np.random.default_rng([20260202, i]))
        loss = case.mean * np.exp(rows)
        yield scaling.fit("chinchilla", case.inputs, loss, **({"start": case.truth} | settings)), new


def heavy_tailed(coverage):
    case = replace(coverage.cases["chinchilla"], inputs=coverage.crossed((1e7, 2e8), (1e10, 2e12), 16, 15))
    return case, lambda rng: (0.003 * rng.standard_t(3, 240), 0.003 * rng.standard_t(3))


def clustered(coverage):
    """Checkpoints of 48 runs that share most of their noise."""
    runs = 48
    n = np.repeat(np.geomspace(1e7, 1e10, runs), 6)
    start = np.repeat(np.exp(np.random.default_rng(0).uniform(-0.5, 0.5, runs)), 6)
    groups = np.repeat(np.arange(runs), 6)
    inputs = {"N": n, "D": np.tile(np.geomspace(2e8, 2e12, 6), runs) * start}

    def noise(rng):
        rows = 0.004 * rng.standard_normal(runs)[groups] + 0.002 * rng.standard_normal(6 * runs)
        return rows, 0.004 * rng.standard_normal() + 0.002 * rng.standard_normal()

    return replace(coverage.cases["chinchilla"], inputs=inputs), noise, groups


@pytest.mark.slow
def test_huber_covers_under_heavy_tails(coverage):
    case, noise = heavy_tailed(coverage)
    shares = coverage.shares(noisy_chinchilla(case, noise, objective="huber", bootstrap=0), case, each_level=True)
    assert coverage.outside(shares, SIMULATIONS) == {}


# Twelve rows a parameter at least; farseer needs less noise than the others, as above.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "scatter", "count"), [("gadre", 0.003, 1000), ("kaplan", 0.003, 1000),
                                                        ("farseer", 0.0003, 200)])  # fmt: skip
def test_huber_covers_under_heavy_tails_for_other_laws(name, scatter, count, coverage):
    case, law = coverage.cases[name], find_law(name)
    if name != "farseer":
        case = replace(case, inputs=coverage.crossed((1e7, 2e8), (1e10, 2e12), 16, 15))

    def fits():
        for i in range(count):
            rng = np.random.default_rng([20260808, i])
            loss = case.mean * np.exp(scatter * rng.standard_t(3, len(case.mean)))
            truth = {key: case.truth[key] for key in law.parameter_names}
            fit = scaling.fit(law, case.inputs, loss, objective="huber", start=truth, bootstrap=0)
            yield fit, scatter * rng.standard_t(3)

    assert coverage.outside(coverage.shares(fits(), case, each_level=True), count) == {}


@pytest.mark.slow
def test_clusters_cover_where_rows_share_their_noise(coverage):
    case, noise, groups = clustered(coverage)

    def shares(simulations, **settings):
        fits = noisy_chinchilla(case, noise, simulations, objective="squared", bootstrap=0, **settings)
        return coverage.shares(fits, case)

    assert coverage.outside(shares(SIMULATIONS, groups=groups), SIMULATIONS) == {}
    # The same rows taken as independent claim too much about what differs between runs.
    assert shares(60)["A", 0.95] < 0.8


def inside_profiles(coverage, fits, case, groups=None):
    """Shares of truths inside profile intervals: those whose rise of the objective chance may explain.

    An interval holds the truth exactly where the test of the truth does not reject it; the tests of the profile pin
    that the two agree.
    """
    held = {(name, level): [] for name in (*case.truth, "all of them") for level in coverage.levels}
    for i, (fit, loss) in enumerate(fits):
        chances = profile_chances(fit, case, loss, groups)
        if i < 2:  # all parameters in one batch, for speed: the same numbers
            for name, value in case.truth.items():
                alone = scaling.profile_test(fit, case.inputs, loss, {name: value}, groups=groups)
                assert chances[name] == pytest.approx(alone, abs=1e-4)
        for name, p in chances.items():
            for level in coverage.levels:
                held[name, level].append(p >= 1 - level)
    return {key: float(np.mean(hits)) for key, hits in held.items()}


def profile_chances(fit, case, loss, groups):
    """Chance of the rise of the objective at the true value of each parameter, and at all of them."""
    setting = Setting.of(fit, case.inputs, loss, None, groups)
    names = fit.law.parameter_names
    truth = setting.problem.kernel.to_internal(np.array([case.truth[name] for name in names]))
    every = list(range(len(names)))
    _, found = minimise_held(
        setting.problem, setting.theta, setting.weights, [[j] for j in every], truth[:, None], setting.spread.matrix
    )
    there = setting.problem.values(truth[None], setting.weights[None])
    units = [setting.calibration.unit(columns) for columns in ([j] for j in every)]
    rise = np.maximum(found - setting.value, 0)
    chances = dict(zip(names, fdtrc(1, setting.spread.degrees, rise / units), strict=True))
    joint = (there[0] - setting.value) / setting.calibration.unit(every)
    return chances | {"all of them": float(fdtrc(len(every), setting.spread.degrees, joint))}


def with_losses(case, noise, simulations, law="chinchilla", **settings):
    truth = {name: case.truth[name] for name in find_law(law).parameter_names}
    for i in range(simulations):
        loss = case.mean * np.exp(noise(np.random.default_rng([20260303, i])))
        yield scaling.fit(law, case.inputs, loss, bootstrap=0, start=truth, **settings), loss


@pytest.mark.slow
@pytest.mark.parametrize("name", law_names())
def test_profiles_cover(name, coverage):
    case = coverage.cases[name]
    simulations = SIMULATIONS if name in QUICK else 200

    def noise(rng):
        return case.scatter * rng.standard_normal(len(case.mean))

    fits = with_losses(case, noise, simulations, name, objective="squared")
    assert coverage.outside(inside_profiles(coverage, fits, case), simulations) == {}


def test_profiles_cover_in_brief(coverage):
    case = coverage.cases["power_floor"]
    fits = with_losses(
        case, lambda rng: case.scatter * rng.standard_normal(60), 300, "power_floor", objective="squared"
    )  # fmt: skip
    assert coverage.outside(inside_profiles(coverage, fits, case), 300) == {}


@pytest.mark.slow
def test_profiles_of_huber_cover_under_heavy_tails(coverage):
    case, noise = heavy_tailed(coverage)
    fits = with_losses(case, lambda rng: noise(rng)[0], SIMULATIONS, objective="huber")
    shares = inside_profiles(coverage, fits, case)
    assert coverage.outside(shares, SIMULATIONS) == {}


@pytest.mark.slow
def test_profiles_cover_where_rows_share_their_noise(coverage):
    case, noise, groups = clustered(coverage)
    fits = with_losses(case, lambda rng: noise(rng)[0], 500, objective="squared", groups=groups)
    assert coverage.outside(inside_profiles(coverage, fits, case, groups), 500) == {}


WEAK_DESIGNS = {
    "one budget": {"N": np.geomspace(1e8, 1e10, 40), "D": 1e21 / 6 / np.geomspace(1e8, 1e10, 40)},
    "one ratio": {"N": np.geomspace(1e7, 1e10, 40), "D": 20 * np.geomspace(1e7, 1e10, 40)},
    "one size and a half": {"N": np.repeat([1e9, 1.5e9], 20), "D": np.tile(np.geomspace(2e9, 2e12, 20), 2)},
    "few rows": {"N": np.geomspace(1e7, 1e10, 8), "D": np.geomspace(2e8, 2e12, 8)[[3, 6, 0, 5, 7, 2, 4, 1]]},
}


@pytest.mark.parametrize(
    "design", ["few rows", *(pytest.param(d, marks=pytest.mark.slow) for d in list(WEAK_DESIGNS)[:-1])]
)
def test_weak_designs_widen_or_refuse(design, coverage):
    simulations = 25
    case = replace(coverage.cases["chinchilla"], inputs=WEAK_DESIGNS[design])
    curve = np.log(case.curve(**case.target, **case.truth))
    verdicts, misses, widths = [], [], []
    for fit, _ in simulated(find_law("chinchilla"), case, simulations, start=None):
        verdicts.append(fit.verdict)
        if fit.verdict == "not identified":
            continue
        forecast = fit.predict(case.target, kind="curve")
        # An interval that is not known claims nothing.
        misses.append(bool(np.any((np.log(forecast.low) > curve) | (curve > np.log(forecast.high)))))
        widths.append(float(np.log(forecast.high / forecast.low)[0]))
    assert verdicts.count("ok") <= 1
    assert sum(misses) <= 5  # of 25; a correct 95 % interval misses more often with a chance of 0.1 %
    # A crossed sweep of 64 such runs knows the curve there to 0.8 %.
    assert not np.median(np.nan_to_num([*widths, np.inf], nan=np.inf)) < 0.03
