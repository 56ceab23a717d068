"""How the name of an audience or a trait becomes its key on the topic."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audience.names import MAX_KEY_LENGTH, Computation, snake_case

TABLE = [
    ("Order completed last 30days", "order_completed_last_30days"),
    ("Total revenue 180 days", "total_revenue_180_days"),
    ("order_completed_last_30days", "order_completed_last_30days"),
    ("  __VIP!  ", "vip"),
    ("Spend > $100 (EU)/month", "spend_100_eu_month"),
    ("a - b -- c", "a_b_c"),
    ("a__b", "a_b"),
    ("line\nand\ttab", "line_and_tab"),
    ("Didn't buy", "didnt_buy"),
    ("Didn\u2019t buy", "didnt_buy"),
    ("'quoted' name", "quoted_name"),
    ("30 day actives", "30_day_actives"),
    ("OrderCompleted", "order_completed"),
    ("orderCompleted", "order_completed"),
    ("last30Days", "last30_days"),
    ("HTTPServer errors", "http_server_errors"),
    ("VIPs last week", "vips_last_week"),
    ("ARPU", "arpu"),
    ("Café crème", "cafe_creme"),
    (unicodedata.normalize("NFD", "Café crème"), "cafe_creme"),
    ("Übergröße", "ubergrosse"),
    ("Smørrebrød", "smørrebrød"),
    ("Заказ 1", "заказ_1"),
    ("Мой заказ", "мой_заказ"),
    ("注文 完了", "注文_完了"),
    ("ガイド", "ガイド"),
    ("full width", "full_width"),
    ("हिन्दी नाम", "हिन्दी_नाम"),
    ("10 % off", "10_off"),
]


@pytest.mark.parametrize(("name", "key"), TABLE)
def test_a_name_has_the_key_of_the_table(name: str, key: str) -> None:
    """Each rule of the table in names.py, by example."""
    assert snake_case(name) == key


@given(st.text())
def test_a_key_is_its_own_key(name: str) -> None:
    """Taking the key of a key changes nothing, so a key may be used as a name."""
    key = snake_case(name)
    assert snake_case(key) == key


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_a_key_of_ascii_has_only_letters_digits_and_single_separators(name: str) -> None:
    """Nothing else is left, no `_` stands at an end or beside another."""
    key = snake_case(name)
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert "__" not in key
    assert key == key.strip("_")


@given(st.text())
def test_blanks_around_a_name_do_not_count(name: str) -> None:
    """A name copied with blanks is the same name."""
    assert snake_case(f" {name}\t") == snake_case(name)


@pytest.mark.parametrize("name", ["", "  ", "!!!", "_", "x" * (MAX_KEY_LENGTH + 1), "caf\udce9"])
def test_a_name_without_a_key_is_refused(name: str) -> None:
    """Nothing to be called by, or too much."""
    with pytest.raises(ValueError, match=r"has neither|too long|not UTF-8"):
        Computation.named("audience", name)


def test_a_computation_keeps_its_exact_name_and_has_a_stable_id() -> None:
    """The id depends on kind and key alone, so it survives everything but another name."""
    first, second = Computation.named("audience", " Big Spenders "), Computation.named("audience", "big spenders")
    assert first.name == "Big Spenders"
    assert first.id == second.id == "aud_85cc6bdec7c64719a4b6c840"
    assert Computation.named("trait", "big spenders").id.startswith("tra_")
