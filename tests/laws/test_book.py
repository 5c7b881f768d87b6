"""The law book: every law complete and consistent."""

import json
import re

import numpy as np
import pytest

from scaling.errors import LawError
from scaling.fitting.compile import compile_law
from scaling.laws.book import family_names, find_family, find_law, law_names
from scaling.laws.law import Law
from scaling.laws.parameter import resolve_bound
from tests.truths import BY_HAND, RANGES, draw

FAMILIES = {
    "appraisal": ["broken_line", "imitation"],
    "batch_size": [
        "steps_to_target", "steps_to_target_power", "steps_to_target_sharp", "tokens_to_target", "critical_batch",
        "critical_batch_params", "critical_batch_joint", "critical_batch_loss", "noise_scale", "three_term",
    ],
    "boundary": ["boundary", "boundary_in_time"],
    "compute_optimal": ["chinchilla", "kaplan", "skaling", "multiplicative", "farseer", "gadre"],
    "data_constrained": ["data_constrained", "data_constrained_decay"],
    "downstream": ["downstream_error", "capped_power", "chance_sigmoid"],
    "groups": ["shared_exponents"],
    "hyperparameters": [
        "optimal_learning_rate", "coupled_learning_rate", "optimal_batch", "learning_rate_of_compute",
        "batch_of_compute", "ema_timescale", "optimal_weight_decay", "tuned_loss",
    ],
    "kaplan": ["kaplan_n", "kaplan_d", "kaplan_c", "kaplan_steps"],
    "loss_to_loss": ["shifted_power", "offset_power", "log_log", "affine", "quadratic", "log_quadratic"],
    "power": ["power", "power_floor"],
    "precision": ["precision"],
    "repetition": ["repeated_pools"],
    "shape": ["gemstones"],
}  # fmt: skip
LAWS = [name for names in FAMILIES.values() for name in names]
LINEAR = {
    "broken_line": ("a", "b", "c"),
    "imitation": ("low", "high"),
    "boundary": ("y0",),
    "boundary_in_time": ("y0",),
    "chinchilla": ("E", "A", "B"),
    "kaplan": ("E",),
    "skaling": ("E", "A"),
    "multiplicative": ("E", "A"),
    "shifted_power": ("K", "E_y"),
    "offset_power": ("K", "E_y"),
    "log_log": ("K",),
    "affine": ("a", "b"),
    "quadratic": ("a", "b", "c"),
    "log_quadratic": (),
    "power": ("A",),
    "power_floor": ("E", "A"),
    "farseer": ("F", "B"),
    "gadre": ("E", "A", "B"),
    "data_constrained": ("E",),
    "data_constrained_decay": (),
    "downstream_error": ("eps", "k"),
    "capped_power": (),
    "chance_sigmoid": ("E_y", "chance_error"),
    "shared_exponents": ("E", "A", "B"),
    "kaplan_n": (),
    "kaplan_d": (),
    "kaplan_c": (),
    "kaplan_steps": (),
    "precision": ("E", "A", "B"),
    "repeated_pools": ("E",),
    "gemstones": ("E", "A_w", "A_l", "A_N", "A_D"),
    "steps_to_target": ("a", "b"),
    "steps_to_target_power": ("a", "b"),
    "steps_to_target_sharp": (),
    "tokens_to_target": ("D_min",),
    "critical_batch": ("k",),
    "critical_batch_params": ("k",),
    "critical_batch_joint": ("k",),
    "critical_batch_loss": ("B_0",),
    "noise_scale": ("k",),
    "three_term": ("E", "A", "F", "G"),
    "optimal_learning_rate": ("k",),
    "coupled_learning_rate": ("k",),
    "optimal_batch": ("k",),
    "learning_rate_of_compute": ("k",),
    "batch_of_compute": ("k",),
    "ema_timescale": ("k",),
    "optimal_weight_decay": (),
    "tuned_loss": ("E", "A", "h_u", "h_v", "h_uv"),
}


def test_the_book_holds_these_laws_in_these_families():
    assert {name: [law.name for law in find_family(name)] for name in family_names()} == FAMILIES
    assert law_names() == LAWS
    assert find_family("compute_optimal")[0] is find_law("chinchilla")


@pytest.mark.parametrize(
    ("wrong", "near"), [("compute_optimum", "compute_optimal"), ("Power", "power"), ("shapes", "shape")]
)
def test_an_unknown_family_suggests_the_nearest(wrong, near):
    with pytest.raises(LawError) as caught:
        find_family(wrong)
    assert caught.value.message == f"the book has no family '{wrong}'"
    assert caught.value.hint.startswith(f"Did you mean '{near}'")


def test_the_laws_of_a_family_that_is_chosen_from_predict_the_same_from_the_same():
    for name in ("compute_optimal", "data_constrained", "power"):
        assert len({(tuple(law.inputs), law.output, law.unit) for law in find_family(name)}) == 1


def test_among_the_compute_optimal_laws_the_simplest_has_four_parameters():
    sizes = {law.name: len(law.parameters) for law in find_family("compute_optimal")}
    assert sizes == {"chinchilla": 5, "kaplan": 5, "skaling": 6, "multiplicative": 4, "farseer": 9, "gadre": 4}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_formula_is_that_of_the_paper(name):
    """Against the law written out by hand, in the paper's own terms, at random parameters."""
    law = find_law(name)
    for seed in range(5):
        inputs, truth = draw(name, np.random.default_rng(seed))
        kernel = compile_law(law, [False] * len(truth))
        theta = np.array([[truth[key] for key in law.parameter_names]])
        found = kernel.value(theta, kernel.prepare(inputs))[0]
        np.testing.assert_allclose(found, BY_HAND[name](**inputs, **truth), rtol=1e-11)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_complete(name):
    law = find_law(name)
    assert law.name == name
    assert law.title != name
    assert law.source or law.note
    assert all(law.inputs.values()), "every input has a unit"
    assert law.output
    assert law.unit
    assert all(p.meaning for p in law.parameters)
    assert {str(s) for s in law.expression.free_symbols} == {*law.inputs, *law.parameter_names}


@pytest.mark.parametrize("name", LAWS)
def test_declared_bounds_hold_the_screen(name):
    for parameter in find_law(name).parameters:
        low, high = parameter.bounds(RANGES)
        first, last = parameter.screening_range(RANGES)
        assert low <= first < last <= high
        assert np.isfinite([low, high]).all(), "a bound of the book is a number"


@pytest.mark.parametrize("name", LAWS)
def test_published_values_are_complete_and_inside_the_bounds(name):
    law = find_law(name)
    for entry in law.published:
        assert re.search(r"arXiv:\d{4}\.\d{5}", entry.source)
        assert set(entry.values) == set(law.parameter_names)
        for parameter in law.parameters:
            low, high = parameter.bounds(RANGES)
            assert low < entry.values[parameter.name] < high


def test_the_published_coefficients_are_the_printed_ones():
    book = {(name, p.name): p.values for name in LAWS for p in find_law(name).published}
    assert book == {
        ("chinchilla", "hoffmann-2022"): {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
        ("chinchilla", "besiroglu-2024"): {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
        ("kaplan", "brandfonbrener-2024-fineweb-edu"): {
            "E": 1.96691, "N_c": 6.67989e7, "D_c": 8.89956e8, "alpha_N": 0.412898, "alpha_D": 0.455581,
        },
        ("kaplan_n", "kaplan-2020"): {"N_c": 8.8e13, "alpha_N": 0.076},
        ("kaplan_d", "kaplan-2020"): {"D_c": 5.4e13, "alpha_D": 0.095},
        ("kaplan_c", "kaplan-2020"): {"C_c": 3.1e8 * 8.64e19, "alpha_C": 0.05},
        ("kaplan_steps", "kaplan-2020"): {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76},
        ("data_constrained", "muennighoff-2023"): {
            "E": pytest.approx(np.exp(0.6254804), rel=1e-7), "A": pytest.approx(np.exp(6.255414), rel=1e-7),
            "B": pytest.approx(np.exp(7.3049974), rel=1e-7), "alpha": 0.3526596, "beta": 0.3526596,
            "R_D": 15.387756, "R_N": 5.309743,
        },
        ("data_constrained_decay", "muennighoff-2023"): {"R_D": 15.387756, "R_N": 5.309743},
        # Printed in sequences of 512 tokens over millions of tokens or parameters: 22.91, 93.20 and 621.34.
        ("critical_batch", "zhang-2024"): {"k": pytest.approx(22.91 * 512 / 1e6**0.47, rel=1e-6), "q": 0.47},
        ("critical_batch_params", "zhang-2024-chinchilla"): {
            "k": pytest.approx(93.20 * 512 / 1e6**0.47, rel=1e-6), "p": 0.47,
        },
        ("critical_batch_params", "zhang-2024-fixed-tokens"): {
            "k": pytest.approx(621.34 * 512 / 1e6**0.087, rel=1e-6), "p": 0.087,
        },
        ("critical_batch_loss", "kaplan-2020"): {"B_0": 2.1e8, "alpha_B": 0.21},
        ("optimal_learning_rate", "step-law-2025"): {"k": 1.79, "p": -0.713, "q": 0.307},
        ("optimal_batch", "step-law-2025"): {"k": 0.58, "q": 0.571},
        ("learning_rate_of_compute", "deepseek-2024"): {"k": 0.3118, "q": -0.125},
        ("batch_of_compute", "deepseek-2024"): {"k": 0.2920, "q": 0.3271},
    }  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_linear_parameters(name):
    assert find_law(name).linear_parameters == LINEAR[name]


@pytest.mark.parametrize("name", LAWS)
def test_a_law_survives_the_way_to_json_and_back(name):
    law = find_law(name)
    assert Law.from_dict(name, json.loads(json.dumps(law.to_dict(), allow_nan=False))) == law


@pytest.mark.parametrize("name", LAWS)
def test_latex_names_every_parameter_and_closes_every_brace(name):
    law = find_law(name)
    text = law.latex()
    assert text.count("{") == text.count("}")
    assert text.count(r"\left(") == text.count(r"\right)")
    for symbol in (*law.inputs, *law.parameter_names):
        stem, _, index = symbol.partition("_")
        stem = rf"\{stem}" if stem in ("alpha", "beta", "kappa", "gamma") else stem
        stem = re.sub(r"(?<=[a-z])([0-9]+)$", r"_{\1}", stem)  # y0 is typeset as y with the index 0
        index = rf"_{{\{index}}}" if index in ("alpha",) else rf"_{{{index}}}" if index else ""
        assert stem + index in text


def test_latex_keeps_the_order_of_the_formula():
    assert find_law("chinchilla").latex() == r"E + A N^{- \alpha} + B D^{- \beta}"


@pytest.mark.parametrize(
    ("wrong", "near"), [("chinchila", "chinchilla"), ("Kaplan", "kaplan"), ("powerfloor", "power")]
)
def test_an_unknown_name_suggests_the_nearest(wrong, near):
    with pytest.raises(LawError) as caught:
        find_law(wrong)
    assert caught.value.message == f"the book has no law '{wrong}'"
    assert caught.value.hint.startswith(f"Did you mean '{near}")


def test_a_law_of_the_book_keeps_its_own_bounds():
    with pytest.raises(LawError, match="which has its own"):
        find_law("chinchilla", parameters={"E": {"low": 1}})


def test_a_bound_may_depend_on_the_data():
    assert resolve_bound("min(loss)", RANGES) == 2.1
    assert resolve_bound(" 1e-2 * max(N) ", RANGES) == 1e8
    assert resolve_bound("-.5*min(loss)", RANGES) == -1.05
    assert resolve_bound(3, RANGES) == 3.0
    for text in ("loss", "min(loss", "median(loss)", "1e-e * min(N)", "min(loss) + 1", ""):
        with pytest.raises(LawError, match="is not a bound"):
            resolve_bound(text, RANGES)
    with pytest.raises(LawError, match=r"names no input or output\nDid you mean 'loss'"):
        resolve_bound("min(los)", RANGES)


@pytest.mark.parametrize("formula", ["E + A*exp(-1000*a*x)", "E + A*sigmoid(a*(x - 100))", "E + A*tanh(50*a*x)"])
def test_a_derivative_that_is_merely_small_does_not_make_a_parameter_linear(formula):
    assert find_law(formula, inputs=["x"]).linear_parameters == ("E", "A")


def test_an_absolute_value_is_not_linear():
    assert find_law("A*sqrt(a*a)*x", inputs=["x"]).linear_parameters == ("A",)
