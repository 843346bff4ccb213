"""Amounts to the cent, held against an independent reckoning in whole numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.i18n.formats import currency_decimals
from plugins.crm_sales.products.money import line_amounts, rounded

CURRENCIES = ("CNY", "USD", "JPY", "KRW")
quantities = st.integers(1, 10**8).map(lambda n: Decimal(n) / 1000)
percents = st.integers(0, 10_000).map(lambda n: Decimal(n) / 100)


@st.composite
def lines(draw):
    """A currency, and lines in it as a quote holds them."""
    currency = draw(st.sampled_from(CURRENCIES))
    cents = st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-currency_decimals(currency)))
    rows = st.tuples(quantities, cents, percents, percents)
    return currency, draw(st.booleans()), draw(st.lists(rows, min_size=1, max_size=6))


def half_up(value: Fraction, decimals: int) -> Fraction:
    """Rounding by whole numbers alone."""
    shifted = value * 10**decimals * 2
    return (
        Fraction((shifted.numerator + shifted.denominator) // (2 * shifted.denominator))
        / 10**decimals
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines())
def test_lines_and_totals_are_right_to_the_cent(case):
    """Net and tax are the gross of each line, their sums those of the quote, whatever way prices are
    written; each is what the rule says, reckoned in fractions."""
    currency, included, rows = case
    decimals = currency_decimals(currency)
    done = [line_amounts(*row, currency=currency, tax_included=included) for row in rows]
    for (quantity, price, discount, tax), amounts in zip(rows, done, strict=True):
        exact = Fraction(quantity) * Fraction(price) * (1 - Fraction(discount) / 100)
        amount = half_up(exact, decimals)
        if included:
            net = half_up(amount / (1 + Fraction(tax) / 100), decimals)
            expected = (net, amount - net, amount)
        else:
            due = half_up(amount * Fraction(tax) / 100, decimals)
            expected = (amount, due, amount + due)
        assert tuple(map(Fraction, amounts)) == expected
        assert all(-each.as_tuple().exponent == decimals for each in amounts)
        assert all(each >= 0 for each in amounts)
    assert sum(each.net for each in done) + sum(each.tax for each in done) == sum(
        each.gross for each in done
    )


@pytest.mark.parametrize(
    ("value", "currency", "result"),
    [
        ("0.005", "CNY", "0.01"),
        ("0.0049999", "CNY", "0.00"),
        ("2.675", "USD", "2.68"),
        ("0.5", "JPY", "1"),
        ("1234.49", "KRW", "1234"),
        ("-0.005", "CNY", "-0.01"),
    ],
)
def test_a_half_goes_up_in_the_decimals_of_the_currency(value, currency, result):
    assert str(rounded(Decimal(value), currency)) == result


def test_by_hand():
    """3 pieces at 33.33 less 5 % are 94.9905; 13 % of it are within, or come on top."""
    row = (Decimal(3), Decimal("33.33"), Decimal(5), Decimal(13))
    inside = line_amounts(*row, currency="CNY", tax_included=True)
    assert tuple(map(str, inside)) == ("84.06", "10.93", "94.99")
    on_top = line_amounts(*row, currency="CNY", tax_included=False)
    assert tuple(map(str, on_top)) == ("94.99", "12.35", "107.34")
    yen = line_amounts(*row, currency="JPY", tax_included=False)
    assert tuple(map(str, yen)) == ("95", "12", "107")
