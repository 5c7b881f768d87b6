"""Published laws of the batch size in one unit, each with its definition."""

import numpy as np
import pytest

from scaling.batch_size.law import fit_critical_law
from scaling.batch_size.published import ENTRIES, HYPERBOLA, LOWEST_LOSS, RULE, definition_of, published_at
from scaling.batch_size.steps import fit_steps
from scaling.errors import InputDataError, UsageError
from scaling.laws.book import find_law

BATCH = 2.0 ** np.arange(6, 16)


def rows(**at):
    return {row.name: row for row in published_at(**at)}


def test_units_are_converted():
    found = rows(n_params=302e6, n_tokens=6.144e9, context_length=512)
    # 22.91*6144^.47 and 93.20*302^.47 sequences of 512 tokens, .58 D^.571 tokens
    assert found["zhang-2024"].batch_sequences == pytest.approx(22.91 * 6144**0.47, rel=1e-5)
    assert found["zhang-2024"].batch_tokens == pytest.approx(512 * 22.91 * 6144**0.47, rel=1e-5)
    assert found["zhang-2024-chinchilla"].batch_sequences == pytest.approx(93.20 * 302**0.47, rel=1e-5)
    assert found["zhang-2024-fixed-tokens"].batch_sequences == pytest.approx(621.34 * 302**0.087, rel=1e-5)
    assert found["step-law-2025"].batch_tokens == pytest.approx(0.58 * 6.144e9**0.571, rel=1e-9)


def test_of_loss_and_compute():
    found = rows(n_params=1e9, n_tokens=2e10, loss=2.5)
    assert found["kaplan-2020"].batch_tokens == pytest.approx(2.1e8 / 2.5 ** (1 / 0.21), rel=1e-9)
    assert found["minicpm-2024"].batch_tokens == pytest.approx(1.21e9 / 2.5**6.24, rel=1e-9)
    assert found["deepseek-2024"].batch_tokens == pytest.approx(0.2920 * 1.2e20**0.3271, rel=1e-9)
    assert "The compute was taken as 6*N*D." in found["deepseek-2024"].notes
    given = rows(compute_flop=1e21)["deepseek-2024"]
    assert given.batch_tokens == pytest.approx(0.2920 * 1e21**0.3271, rel=1e-9)
    assert "The compute was taken as 6*N*D." not in given.notes


def test_what_cannot_be_worked_out_says_why():
    found = rows(n_tokens=2e10)
    assert found["kaplan-2020"].batch_tokens is None
    assert found["kaplan-2020"].why == "It needs the loss."
    assert found["zhang-2024-chinchilla"].why == "It needs the parameters."
    assert found["power-lines-2025-critical"].exponents == {"D": 0.462}
    assert found["power-lines-2025-critical"].batch_tokens is None
    assert all((row.batch_tokens is None) == bool(row.why) for row in found.values())


def test_far_from_where_it_was_fitted():
    found = rows(n_params=7e9, n_tokens=1.4e12)
    assert "Fitted at 302M parameters, x23 from here." in found["zhang-2024"].notes
    assert "Fitted at 20.4 tokens a parameter, x9.8 from here." in found["zhang-2024-chinchilla"].notes
    near = rows(n_params=302e6, n_tokens=6.16e9)
    assert not any("from here" in note for note in near["zhang-2024"].notes)
    alone = rows(n_tokens=6.16e9)["zhang-2024"]
    assert "Fitted at 302M parameters; how many there are here is not given." in alone.notes


def test_definitions_stand_apart():
    found = rows(n_params=1e9, n_tokens=2e10)
    assert found["zhang-2024"].definition == RULE
    assert found["step-law-2025"].definition == LOWEST_LOSS


def test_the_book_has_every_number_that_stands_there():
    for entry in ENTRIES:
        if entry.law:
            assert entry.constant is None
            assert not entry.exponents
            assert entry.name in [p.name for p in find_law(entry.law).published]
            assert entry.source == next(p for p in find_law(entry.law).published if p.name == entry.name).source


def test_every_published_batch_of_the_book_is_a_row():
    laws = ("critical_batch", "critical_batch_params", "critical_batch_joint", "critical_batch_loss", "optimal_batch",
            "batch_of_compute")  # fmt: skip
    book = {(law, p.name) for law in laws for p in find_law(law).published}
    assert book == {(entry.law, entry.name) for entry in ENTRIES if entry.law}


def test_bad_input():
    with pytest.raises(UsageError, match="need a place"):
        published_at(context_length=512)
    with pytest.raises(InputDataError, match="'n_tokens' is -1"):
        published_at(n_tokens=-1)
    with pytest.raises(InputDataError, match="'context_length' is 0"):
        published_at(n_tokens=1e9, context_length=0)


@pytest.mark.parametrize(
    ("overhead", "anchor", "unit", "tokens", "definition"),
    [
        (None, None, "tokens", None, HYPERBOLA),
        (0.2, 131072, "tokens", None, RULE),
        (0.2, 256, "sequences", 512, RULE),
        (0.2, 256, "sequences", 2048, ""),
        (0.2, None, "tokens", None, ""),
        (0.1, 131072, "tokens", None, ""),
    ],
)
def test_a_law_has_the_definition_of_published_ones_or_none(overhead, anchor, unit, tokens, definition):
    fits = [fit_steps(BATCH, a + b / BATCH, unit=unit, bootstrap=0) for a, b in ((1e3, 1e9), (2e3, 4e9), (4e3, 2e10))]
    law = fit_critical_law(
        fits, n_tokens=[1e9, 4e9, 2e10], overhead=overhead, anchor=anchor, tokens_per_sample=tokens, bootstrap=0
    )
    assert definition_of(law) == definition
