"""Nats per token and bits per byte."""

from __future__ import annotations

import math

import pytest

from scaling.errors import UsageError
from scaling.loss_to_loss.units import bits_per_byte, nats_per_token, pair_units, read_unit


def test_a_loss_in_bits_per_byte() -> None:
    """A byte that is told with probability 1/2 costs one bit: four of them make a token of 4 ln 2 nats."""
    assert bits_per_byte(4 * math.log(2), 4.0) == pytest.approx(1.0, rel=1e-15)
    assert nats_per_token(bits_per_byte(2.7, 3.8), 3.8) == pytest.approx(2.7, rel=1e-15)


@pytest.mark.parametrize("length", [0, -1, math.nan, math.inf])
def test_a_token_has_a_length(length: float) -> None:
    with pytest.raises(UsageError, match="a number above 0"):
        bits_per_byte(1.0, length)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("nats", "nats/token"), ("Nats per token", "nats/token"), ("bpb", "bits/byte"), ("bits per  byte", "bits/byte"),
     ("unknown", ""), (None, ""), ("", ""), ("share", "share")],
)  # fmt: skip
def test_spellings(text: str | None, unit: str) -> None:
    assert read_unit(text) == unit


@pytest.mark.parametrize("unit", ["nats/token", "bits/byte"])
def test_one_unit_stays_as_it_is(unit: str) -> None:
    found = pair_units(unit, unit)
    assert (found.x, found.y, found.factor_x, found.factor_y, found.notes) == (unit, unit, 1, 1, ())


@pytest.mark.parametrize("swapped", [False, True])
def test_one_of_each_is_refused_without_a_factor(swapped: bool) -> None:
    units = ["nats/token", "bits/byte"][:: -1 if swapped else 1]
    with pytest.raises(UsageError, match="would hold for one tokenizer only") as caught:
        pair_units(*units)
    option, name = ("--bytes-per-token-to", "target") if swapped else ("--bytes-per-token-from", "source")
    assert option in (caught.value.hint or "")
    assert f"The {name} loss is in nats/token" in caught.value.message


def test_one_of_each_with_a_factor_is_fitted_in_bits_per_byte() -> None:
    found = pair_units("nats/token", "bits/byte", 4.0)
    assert (found.x, found.y) == ("bits/byte", "bits/byte")
    assert found.factor_x == pytest.approx(1 / (4 * math.log(2)))
    assert found.factor_y == 1
    assert found.notes == ("The source is turned into bits/byte by 4 bytes per token.",)


def test_half_a_conversion_is_refused() -> None:
    with pytest.raises(UsageError, match="would hold for one tokenizer only") as caught:
        pair_units("nats/token", "nats/token", 4.0)
    assert "--bytes-per-token-to" in (caught.value.hint or "")


def test_a_factor_for_a_loss_that_is_per_byte_already() -> None:
    with pytest.raises(UsageError, match="the target is in bits/byte"):
        pair_units("nats/token", "bits/byte", 4.0, 3.0)


def test_other_tokenizers_need_both_factors() -> None:
    with pytest.raises(UsageError, match=r"different tokenizers \(llama and gpt2\)"):
        pair_units("nats/token", "nats/token", tokenizers=("llama", "gpt2"))
    found = pair_units("nats/token", "nats/token", 4.0, 3.0, tokenizers=("llama", "gpt2"))
    assert found.factor_y / found.factor_x == pytest.approx(4 / 3)
    pair_units("nats/token", "nats/token", tokenizers=("llama", None))
    pair_units("bits/byte", "bits/byte", tokenizers=("llama", "gpt2"))


def test_an_unknown_unit_is_called_assumed() -> None:
    found = pair_units("unknown", "bits/byte")
    assert (found.x, found.y) == ("bits/byte, assumed", "bits/byte")
    assert found.notes == ("The unit of the source is not known; bits/byte is assumed.",)
    assert pair_units(None, None).x == "nats/token, assumed"
    both = pair_units("unknown", "bits/byte", 4.0)
    assert both.x == "bits/byte, assumed"
    assert both.factor_x == pytest.approx(1 / (4 * math.log(2)))


def test_a_share_goes_with_any_unit() -> None:
    found = pair_units("bits/byte", "share", losses=(True, False))
    assert (found.x, found.y, found.notes) == ("bits/byte", "share", ())
    assert pair_units("nats/token", "unknown", losses=(True, False)).y == ""
    with pytest.raises(UsageError, match="the target is in share"):
        pair_units("nats/token", "share", None, 4.0, losses=(True, False))


@pytest.mark.parametrize(
    ("source", "target"),
    [("nats/token", "bits/token"), ("bits per token", "nats/byte"), ("nats", "perplexity"), ("bpb", "ppl"),
     ("furlongs", "nats/token")],
)  # fmt: skip
def test_losses_in_other_units_do_not_go_together(source: str, target: str) -> None:
    with pytest.raises(
        UsageError, match=f"in {read_unit(source)} and the target loss in {read_unit(target)}"
    ) as caught:
        pair_units(source, target)
    assert "in one unit" in (caught.value.hint or "")
    assert pair_units(source, source).y == pair_units(target, source, losses=(False, True)).y == read_unit(source)


def test_an_unknown_unit_is_that_of_the_other_side() -> None:
    found = pair_units("bits/token", None)
    assert (found.x, found.y) == ("bits/token", "bits/token, assumed")
    assert found.notes == ("The unit of the target is not known; bits/token is assumed.",)
    assert read_unit(found.y) == "bits/token"
