"""Dates, amounts and ids as a Japanese sales department writes them: text in, typed columns out.

What is not written in a known form is null, never a guess. Amounts are exact: no float on the way.
"""

import re
from datetime import date

import polars as pl

from marketing_assets.tables import MONEY

_WIDE = "".join(map(chr, range(0xFF01, 0xFF5F))) + "￥\u3000\u00a0"
_NARROW = "".join(map(chr, range(0x21, 0x7F))) + "¥  "

_TIME_OF_DAY = r"(?:[Tt]|[ ]+)(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?$"
_WESTERN_DAY = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_COMPACT_DAY = re.compile(r"([0-9]{4})()([0-9]{2})([0-9]{2})")
_KANJI_DAY = re.compile(r"([0-9]{4})( *)年 *([0-9]{1,2}) *月 *([0-9]{1,2}) *日")
_REIWA_KANJI_DAY = re.compile(r"令和( *)(元|[0-9]{1,2}) *年 *([0-9]{1,2}) *月 *([0-9]{1,2}) *日")
_REIWA_SHORT_DAY = re.compile(r"[Rr]([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_REIWA_STARTS = date(2019, 5, 1)

_PLAIN_ID = r"^[!-~]+$"

_PLAIN_AMOUNT = r"^[0-9]{1,15}(?:\.[0-9]{1,18})?$"
_NUMBER = r"(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,18})?"
_SIGNED_AMOUNT = rf"(?:[-+−▲△]? *[¥\\]? *|[¥\\] *[-+−▲△] *){_NUMBER} *円?"
_BRACKETED_AMOUNT = rf"(?:[¥\\] *)?\( *(?:[¥\\] *)?{_NUMBER} *(?:円 *)?\)(?: *円)?"
_AMOUNT = rf"^(?:{_SIGNED_AMOUNT}|{_BRACKETED_AMOUNT})$"


def normalize_ids(texts: pl.Series) -> pl.Series:
    """Bring ids to the form by which they are compared: NFKC, trimmed; null where nothing is left.

    Args:
        texts: String series of ids, as read.
    """
    others = (~texts.str.contains(_PLAIN_ID)).arg_true()
    if others.is_empty():
        return texts
    normalized = texts.gather(others).str.normalize("NFKC").str.strip_chars()
    # Scattering changes a series in place: the caller's own stays as it is.
    return texts.clone().scatter(others, normalized.set(normalized == "", None))


def parse_days(texts: pl.Series) -> pl.Series:
    """Read days; a time of day behind them is cut off.

    Forms: `2024-01-05`, `2024/1/5`, `2024.1.5`, `2024年1月5日`, `20240105`, `令和6年1月5日`, `令和元年5月1日`,
    `R6.1.5`, in full-width characters as well, with `10:30`, `10:30:00` or an ISO `T10:30:00` behind them. A time with
    a zone or an offset is not read: cutting it off could name the wrong day.

    Args:
        texts: String series.

    Returns:
        Date series of the same length; null for what is no day or an impossible one (`2024-02-30`).
    """
    # A month has few days, so few texts: each is read once.
    distinct = pl.DataFrame({"text": texts.unique().drop_nulls()}).with_columns(
        day=_narrow(pl.col("text")).str.replace(_TIME_OF_DAY, "")
    )
    days = distinct.select(pl.col("day").unique()).with_columns(
        date=pl.col("day").map_elements(_parse_day, return_dtype=pl.Date)
    )
    readable = distinct.join(days.drop_nulls("date"), on="day")
    return texts.replace_strict(readable["text"], readable["date"], default=None, return_dtype=pl.Date)


def parse_amounts(texts: pl.Series) -> pl.Series:
    r"""Read amounts of money exactly.

    Forms: `1234`, `1,234`, `1234.50`, `¥1,234`, `￥1,234`, `\1,234`, `1,234円`, and for negatives `-500`, `−500`,
    `▲500`, `△500`, `(500)`; in full-width characters as well, with spaces around each part. Commas must group
    thousands, and the decimal mark is a point: `1,23,4` and `1.234,50` are not read. At most 15 digits before the
    point and 18 behind it.

    Args:
        texts: String series.

    Returns:
        `MONEY` series of the same length; null for empty or unreadable text.
    """
    plain = texts.str.contains(_PLAIN_AMOUNT)
    if plain.all(ignore_nulls=True):
        return texts.cast(MONEY)
    others = (~plain).arg_true()
    # Step by step: within one step, Polars would compute an expression anew for each place that uses it.
    amounts = (
        pl.select(text=texts.gather(others))
        .select(text=_narrow(pl.col("text")))
        .with_columns(digits=pl.col("text").str.replace_all(r"[^0-9.]", ""))
        .with_columns(
            digits=pl.when(pl.col("text").str.contains(r"[-−▲△(]")).then("-" + pl.col("digits")).otherwise("digits")
        )
        .select(pl.when(pl.col("text").str.contains(_AMOUNT)).then("digits").cast(MONEY))
    )
    return texts.set(~plain, None).cast(MONEY).scatter(others, amounts.to_series())


def _narrow(text: pl.Expr) -> pl.Expr:
    """Turn full-width letters, digits, signs and spaces into ASCII (and the yen sign); trim."""
    return text.str.replace_many(list(_WIDE), list(_NARROW)).str.strip_chars()


def _parse_day(text: str) -> date | None:
    """Read a day without a time of day, in ASCII digits."""
    try:
        if found := _WESTERN_DAY.fullmatch(text) or _COMPACT_DAY.fullmatch(text) or _KANJI_DAY.fullmatch(text):
            return date(int(found[1]), int(found[3]), int(found[4]))
        if found := _REIWA_KANJI_DAY.fullmatch(text):
            return _reiwa_day(found[2], found[3], found[4])
        if found := _REIWA_SHORT_DAY.fullmatch(text):
            return _reiwa_day(found[1], found[3], found[4])
    except ValueError:
        return None
    return None


def _reiwa_day(year: str, month: str, day: str) -> date | None:
    found = date(2018 + (1 if year == "元" else int(year)), int(month), int(day))
    return found if found >= _REIWA_STARTS else None
