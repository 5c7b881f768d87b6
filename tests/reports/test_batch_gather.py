"""How intervals of many points are said once."""

import pytest

from reports.batch_gather import one_method

FIELLER = "Fieller's, from the covariance of a and b, t distribution with {} of freedom"


@pytest.mark.parametrize(
    ("degrees", "said"),
    [
        (("8 degrees",), "8 degrees"),
        (("9 degrees", "8 degrees", "10 degrees"), "8 to 10 degrees"),
        (("6.5 degrees", "one degree"), "one to 6.5 degrees"),
    ],
)
def test_methods_that_differ_by_degrees_of_freedom_are_one(degrees: tuple[str, ...], said: str) -> None:
    assert one_method({FIELLER.format(words) for words in degrees}) == FIELLER.format(said)


def test_unlike_methods_are_all_named() -> None:
    others = {FIELLER.format("8 degrees"), "delta method on the logarithm, t distribution with 8 degrees of freedom"}
    assert one_method(others) == ", ".join(sorted(others, key=str))
