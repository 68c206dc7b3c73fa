from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketing_assets.sources.japanese_text import normalize_ids, parse_amounts, parse_days
from marketing_assets.tables import MONEY

_TO_WIDE = str.maketrans("0123456789,.-/:()", "０１２３４５６７８９，．－／：（）")


def amount(text: str | None) -> Decimal | None:
    value: Decimal | None = parse_amounts(pl.Series([text], dtype=pl.String)).item()
    return value


def day(text: str | None) -> date | None:
    value: date | None = parse_days(pl.Series([text], dtype=pl.String)).item()
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1234", "1234"),
        ("0", "0"),
        ("1,234", "1234"),
        ("12,345,678", "12345678"),
        ("1234.50", "1234.50"),
        ("1,234.5", "1234.5"),
        ("¥1,234", "1234"),
        ("￥1,234", "1234"),
        ("\\1,234", "1234"),
        ("1,234円", "1234"),
        ("¥ 1,234", "1234"),
        ("1,234 円", "1234"),
        ("１，２３４", "1234"),
        ("￥１，２３４．５", "1234.5"),
        ("+500", "500"),
        ("▲500", "-500"),
        ("△500", "-500"),
        ("-500", "-500"),
        ("−500", "-500"),
        ("－５００", "-500"),
        ("▲ 1,500", "-1500"),
        ("-¥500", "-500"),
        ("¥-500", "-500"),
        ("▲500円", "-500"),
        ("(500)", "-500"),
        ("（５００）", "-500"),
        ("(¥1,500)", "-1500"),
        ("¥(500)", "-500"),
        ("(500円)", "-500"),
        ("(500)円", "-500"),
        (" 500 ", "500"),
        ("\u3000500\u3000", "500"),
        ("999999999999999.999999999999999999", "999999999999999.999999999999999999"),
        ("0.1", "0.1"),
    ],
)
def test_amount_is_read_exactly(text: str, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "n/a",
        "円",
        "-",
        "1,23,4",
        "1234,567",
        ",123",
        "1.234,50",
        "1,5",
        "1.2.3",
        "1 234",
        "1e5",
        "NaN",
        "inf",
        "-(500)",
        "▲-500",
        "--500",
        "(500",
        "500)",
        "$500",
        "10²",
        "①",
        "٣",
        "1234567890123456",
        "1,234,567,890,123,456",
        "0.1234567890123456789",
        "500\n600",
    ],
)
def test_amount_that_is_not_written_in_a_known_form_is_null(text: str) -> None:
    assert amount(text) is None


def test_amounts_of_mixed_forms_keep_their_order() -> None:
    texts = pl.Series("revenue", ["100", None, "▲5", "100", "x", "¥1,000", "▲5"])
    amounts = parse_amounts(texts)
    assert amounts.dtype == MONEY
    assert amounts.to_list() == [Decimal(100), None, Decimal(-5), Decimal(100), None, Decimal(1000), Decimal(-5)]


def test_no_amounts() -> None:
    assert parse_amounts(pl.Series([], dtype=pl.String)).dtype == MONEY
    assert parse_amounts(pl.Series([None], dtype=pl.String)).to_list() == [None]


@given(
    value=st.decimals(-(10**14), 10**14, places=2),
    negative=st.sampled_from(["-{}", "−{}", "▲{}", "△{}", "({})", "（{}）", "▲ ¥{}", "¥-{}円"]),
    positive=st.sampled_from(["{}", "¥{}", "￥{}", "\\{}", "{}円", "+{}", " {}\u3000"]),
    grouped=st.booleans(),
    wide=st.booleans(),
)
def test_every_spelling_of_an_amount_means_the_amount(
    value: Decimal, negative: str, positive: str, grouped: bool, wide: bool
) -> None:
    digits = f"{abs(value):,.2f}" if grouped else f"{abs(value):.2f}"
    text = (negative if value < 0 else positive).format(digits.translate(_TO_WIDE) if wide else digits)
    assert amount(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-05",
        "2024-1-5",
        "2024/1/5",
        "2024/01/05",
        "2024.1.5",
        "2024年1月5日",
        "2024年01月05日",
        "2024年 1月 5日",
        "20240105",
        "令和6年1月5日",
        "令和６年１月５日",
        "R6.1.5",
        "２０２４／１／５",
        "２０２４－０１－０５",
        " 2024-01-05\u3000",
        "2024/1/5 10:30",
        "2024/1/5 0:00:00",
        "2024/1/5\u3000１０：３０",
        "2024-01-05T10:30:00",
        "2024-01-05T10:30:00.123456",
        "2024年1月5日 9:05",
    ],
)
def test_every_spelling_of_a_day_means_the_day(text: str) -> None:
    assert day(text) == date(2024, 1, 5)


def test_first_year_of_reiwa() -> None:
    assert day("令和元年5月1日") == date(2019, 5, 1)
    assert day("令和1年12月31日") == date(2019, 12, 31)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "合計",
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-00-10",
        "0000-01-01",
        "2024-1/5",
        "05/01/2024",
        "24/1/5",
        "2024-01",
        "202415",
        "45296",
        "令和0年1月1日",
        "令和元年4月30日",
        "2024/1/5 25:00",
        "2024/1/5 10:75",
        "2024-01-05T23:30:00Z",
        "2024-01-05 23:30:00+09:00",
        "2024-01-05\n2024-01-06",
    ],
)
def test_text_that_names_no_day_is_null(text: str) -> None:
    assert day(text) is None


def test_days_of_mixed_forms_keep_their_order() -> None:
    days = parse_days(pl.Series("order_date", ["20240105", None, "?", "2024/1/4 10:00", "20240105"]))
    assert days.to_list() == [date(2024, 1, 5), None, None, date(2024, 1, 4), date(2024, 1, 5)]


def test_no_days() -> None:
    assert parse_days(pl.Series([None, None], dtype=pl.String)).to_list() == [None, None]


@given(st.dates())
def test_every_date_is_read_back(value: date) -> None:
    assert day(value.isoformat()) == value
    assert day(f"{value.year:04}年{value.month}月{value.day}日") == value


@given(st.text(max_size=12), st.text("0123456789/-.年月日令和元R:T ()¥円▲,", max_size=14))
def test_any_text_is_read_or_null(wild: str, close: str) -> None:
    texts = pl.Series([wild, close])
    assert parse_days(texts).len() == parse_amounts(texts).len() == normalize_ids(texts).len() == 2


def test_ids_are_compared_in_normal_form() -> None:
    ids = pl.Series([" A-1 ", "Ａ－１", "A-1", "ｶﾞ1", "\u3000", "", None])
    assert normalize_ids(ids).to_list() == ["A-1", "A-1", "A-1", "ガ1", None, None, None]


def test_reading_leaves_the_texts_as_they_were() -> None:
    texts = pl.Series(["１", "2", None])
    normalize_ids(texts)
    parse_amounts(texts)
    assert texts.to_list() == ["１", "2", None]


def test_plain_ids_stay_as_they_are() -> None:
    assert normalize_ids(pl.Series(["ORD-1", None, "ord-1"])).to_list() == ["ORD-1", None, "ord-1"]
