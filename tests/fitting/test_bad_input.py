"""Data and settings that cannot be used: each has its error, its message and its exit code."""

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, LawError, UsageError

X = np.geomspace(1, 100, 12)
Y = 2 + 3 / X


def fit(law="a + b/x", inputs=None, observed=Y, **settings):
    return scaling.fit(law, {"x": X} if inputs is None else inputs, observed, **({"bootstrap": 0} | settings))


def changed(values, row, value):
    out = np.array(values, float)
    out[row] = value
    return out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"inputs": {"x": X, "z": X}}, "has no input 'z'\nThere are: x"),
        ({"inputs": {"x": X[:5]}}, "'y' has shape \\(12,\\), the inputs have 5 rows"),
        ({"inputs": {"x": X.reshape(3, 4)}}, "input 'x' has shape \\(3, 4\\); one value a row is expected"),
        ({"inputs": {"x": ["1", "two"] * 6}}, "input 'x' holds something that is not a number: .*'two'"),
        ({"inputs": {"x": changed(X, 3, np.nan)}}, "input 'x' is nan in row 3\nLeave such rows out"),
        ({"inputs": {"x": changed(X, 4, np.inf)}}, "input 'x' is inf in row 4"),
        ({"inputs": {"x": []}, "observed": []}, "the inputs hold no rows"),
        ({"inputs": {"x": [1.0]}, "observed": [1.0]}, "1 rows? cannot determine the 2 parameters"),
        ({"observed": changed(Y, 2, np.nan)}, "'y' is nan in row 2\nLeave diverged runs out of the fit"),
        ({"observed": changed(Y, 5, -np.inf)}, "'y' is -inf in row 5"),
        ({"observed": changed(Y, 7, 0)}, "'y' is 0 in row 7, and has no logarithm\nLeave the row out, or take linear"),
        ({"observed": changed(Y, 7, -1.5)}, "'y' is -1.5 in row 7, and has no logarithm"),
        ({"observed": ["low"] * 12}, "'y' holds something that is not a number: .*'low'"),
        ({"observed": Y[:4]}, "'y' has shape \\(4,\\), the inputs have 12 rows"),
        ({"weights": np.full(12, 1e-320)}, "the largest weight is 9.99989e-321, whose square is lost"),
        ({"weights": np.full(12, 1e200)}, "the largest weight is 1e\\+200, .*\nMultiply all weights by one number"),
        ({"weights": np.ones(3)}, "weights must be 12 finite numbers"),
        ({"weights": changed(np.ones(12), 1, -1)}, "weights must be 12 finite numbers, none negative"),
        ({"weights": changed(np.ones(12), 1, np.nan)}, "weights must be 12 finite numbers"),
        ({"weights": np.zeros(12)}, "the weights sum to zero"),
        ({"weights": ["heavy"] * 12}, "a weight is not a number: .*'heavy'"),
        ({"groups": np.zeros(4)}, "groups have shape \\(4,\\), but there are 12 rows"),
        ({"groups": ["one"] * 12}, "all rows are in one group, so there is nothing to resample\nLeave groups out"),
        ({"law": "a/x**b", "inputs": {"x": changed(X, 6, 0)}}, "input 'x' must be positive, but row 6 has 0\nLeave"),
        ({"law": "a/x**b", "inputs": {"x": -X}}, "input 'x' must be positive, but row 0 has -1"),
        ({"law": "a*log(x - 200)", "start": {"a": 1}}, "not defined on these data for any parameters tried\nCheck the"),
        (
            {"law": "a*log(x - 200)"},
            "no starting values for the law 'formula' were found inside its bounds: whatever its parameters, it has no "
            "value at 12 of the 12 rows, such as x = 1\nLeave such rows out",
        ),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used(arguments, says):
    with pytest.raises(InputDataError, match=says) as caught:
        fit(**arguments)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"objective": "hubr"}, "there is no objective 'hubr'\nDid you mean 'huber'"),
        ({"residual": "ln"}, "there is no residual 'ln'\n.*There are: linear, log"),
        ({"objective": "squared", "delta": 1e-3}, "delta belongs to the objective 'huber'"),
        ({"bootstrap": -1}, "the number of bootstrap replicates must be a whole number from 0 on, not -1"),
        ({"bootstrap": 2.5}, "the number of bootstrap replicates must be a whole number from 0 on, not 2.5"),
        ({"bootstrap": "many"}, "the number of bootstrap replicates must be a whole number from 0 on, not many"),
        ({"bootstrap": float("nan")}, "the number of bootstrap replicates must be a whole number from 0 on, not nan"),
        ({"bootstrap": 1}, "one bootstrap replicate has no spread\nAsk for some hundreds, or for 0"),
        ({"seed": -3}, "the seed must be a whole number from 0 on, not -3"),
        ({"seed": 0.5}, "the seed must be a whole number from 0 on, not 0.5"),
        ({"start": {"a": 1}}, "there is no starting value for 'b'\nGive one for every parameter"),
        ({"start": {"a": 1, "b": 2, "c": 3}}, "has no parameter 'c' to start from"),
        ({"start": {"a": "one", "b": 2}}, "a starting value is not a number: .*'one'"),
        ({"start": []}, "the list of starting values is empty\nLeave `start` out"),
    ],
)
def test_settings_that_make_no_sense(arguments, says):
    with pytest.raises(UsageError, match=says) as caught:
        fit(**arguments)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"law": "chinchila"}, "the book has no law 'chinchila'\nDid you mean 'chinchilla'"),
        ({"law": "a + b/z"}, "none of the names a, b, z is an input"),
        ({"law": "a + b/(x"}, "expected '\\)', found the end"),
        ({"law": "nowhere.toml"}, "there is no file nowhere.toml"),
        ({"law": "power", "parameters": {"A": {"low": 1}}}, "which has its own\nGive its formula instead"),
        ({"parameters": {"c": {"low": 1}}}, "there is no parameter 'c' in a \\+ b/x"),
        ({"parameters": {"a": {"low": "min(x)", "high": "min(x)"}}}, "the low bound 1 is not below the high bound 1"),
    ],
)
def test_laws_that_cannot_be_read(arguments, says):
    with pytest.raises(LawError, match=says) as caught:
        fit(**arguments)
    assert caught.value.exit_code == 2


def test_a_law_of_the_book_names_the_input_it_misses():
    with pytest.raises(InputDataError, match="the law 'chinchilla' needs the input 'N'\nDid you mean 'n'"):
        fit("chinchilla", {"n": X, "D": X})


def test_a_floor_above_all_data_leaves_no_room():
    with pytest.raises(LawError, match=r"'E': the low bound 0 is not below the high bound -6.25"):
        fit("power_floor", {"x": X}, -Y, residual="linear")


def test_negative_values_are_fine_on_linear_residuals():
    result = fit("a + b*x", {"x": X - 50}, -3 + 0.5 * (X - 50), residual="linear")
    assert result.estimates == pytest.approx({"a": -3, "b": 0.5})


def test_scalars_are_repeated_and_lists_are_fine():
    result = fit("a + b*x*z", {"x": X.tolist(), "z": 2}, (1 + 4 * X).tolist())
    assert result.estimates == pytest.approx({"a": 1, "b": 2})


@pytest.mark.parametrize("scale", [1e-90, 1e90])
def test_the_scale_of_the_weights_changes_no_error(scale):
    weights = np.where(np.arange(12) % 2, 1.0, 3.0)
    noisy = Y * (1 + 0.01 * np.sin(np.arange(12) ** 2))
    plain, scaled = (fit(observed=noisy, weights=weights * c, objective="squared") for c in (1.0, scale))
    assert scaled.estimates == pytest.approx(plain.estimates, rel=1e-6)
    assert scaled.standard_errors == pytest.approx(plain.standard_errors, rel=1e-6)
