"""Device hours and money."""

import numpy as np
import pytest

from scaling.allocation.hardware import ACCELERATORS, Hardware, find_hardware
from scaling.errors import UsageError


def test_hours_and_money():
    """989e12 * 0.4 * 3600 = 1.42416e18 FLOP an hour."""
    h100 = find_hardware("H100", mfu=0.4, price_per_hour=2.5)
    assert h100.hours(1.42416e18) == pytest.approx(1, rel=1e-12)
    assert h100.money([1.42416e18, 2.84832e20]) == pytest.approx([2.5, 500])
    assert h100.label == "h100: 9.89e14 FLOP/s at 40 % utilisation, 2.5 a device hour"


def test_without_a_price_there_is_no_money():
    device = find_hardware("a100")
    assert np.isnan(device.money(1e20))
    assert device.hours(1e20) == pytest.approx(1e20 / (312e12 * 0.4 * 3600))
    assert "hour" not in device.label


def test_every_device_has_its_dense_peak_and_where_it_is_from():
    assert {k: a.peak_flop_per_second / 1e12 for k, a in ACCELERATORS.items()} == {
        "a100": 312, "h100": 989, "h100-nvl": 835, "h100-pcie": 756, "h200": 989, "b200": 2250, "mi300x": 1307,
        "tpu-v5e": 197, "tpu-v5p": 459, "tpu-v6e": 918,
    }  # fmt: skip
    assert all(a.source and a.name == name for name, a in ACCELERATORS.items())


def test_a_device_of_ones_own():
    assert find_hardware(None, 5e14, mfu=0.5).hours(9e17) == pytest.approx(1)
    assert find_hardware("h100", 1e15).peak_flop_per_second == 1e15


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mfu": 1.2}, "share above 0 and up to 1, not 1.2"),
        ({"mfu": 0.0}, "share above 0"),
        ({"mfu": -0.4}, "share above 0"),
        ({"mfu": float("nan")}, "share above 0"),
        ({"price_per_hour": -2.5}, "price of a device hour is a number above 0, not -2.5"),
        ({"price_per_hour": 0.0}, "price of a device hour"),
        ({"price_per_hour": float("inf")}, "price of a device hour"),
        ({"peak_flop_per_second": 0.0}, "peak of a device"),
        ({"peak_flop_per_second": -1e12}, "peak of a device"),
    ],
)
def test_what_no_device_does(settings, said):
    with pytest.raises(UsageError, match=said):
        Hardware(**({"peak_flop_per_second": 1e15} | settings))


def test_devices_that_are_not_in_the_list():
    with pytest.raises(UsageError, match=r"Did you mean 'h100'\?.*--peak-flops"):
        find_hardware("h10")
    with pytest.raises(UsageError, match="need a device"):
        find_hardware()
