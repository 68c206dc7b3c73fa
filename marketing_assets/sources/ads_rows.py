"""A page of the ads API as rows: every value as text, every number with the decimals it came with."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

_COLUMNS = {
    "campaign_id": "campaign_id",
    "campaign_name": "campaign_name",
    "acquisition_channel": "acquisition_channel",
    "date": "reported_date",
    "impressions": "impressions",
    "clicks": "clicks",
    "cost": "cost",
    "conversions": "conversions",
}
"""Field of the API's row, and the RAW_ADS column that keeps it."""

_LONGEST_EXPANSION = 40

Row = dict[str, Any]
"""One row of RAW_ADS."""


class Page(NamedTuple):
    """The rows of one page, in the order received, and whether another page follows."""

    rows: list[Row]
    has_next: bool


class OffContractError(Exception):
    """The body is JSON, but not the contract's."""


class _Number(str):
    """The exact text of a JSON number, told apart from strings."""


def parse_page(body: bytes, day: date, number: int) -> Page:
    """Read the body of one page.

    Args:
        body: JSON in UTF-8, with or without BOM.
        day: The day asked for: the rows' `date`.
        number: The page asked for: the rows' `page`.

    Raises:
        ValueError: the body is no JSON: it was cut or garbled on its way.
        RecursionError: it is nested deeper than can be read.
        OffContractError: it is JSON, but no page; the message says what was expected.
    """
    answer = json.loads(body.decode("utf-8-sig"), parse_float=_Number, parse_int=_Number, parse_constant=str)
    campaigns, has_next = _contents(answer)
    return Page([{"date": day, **_row(campaign), "page": number} for campaign in campaigns], has_next)


def repeated_campaigns(rows: list[Row], day: date) -> dict[str, list[Row]]:
    """Group the rows of campaigns that come more than once for the day; rows of other dates are never summed."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["campaign_id"] is not None and (row["reported_date"] or "").startswith(day.isoformat()):
            groups[row["campaign_id"]].append(row)
    return {campaign: group for campaign, group in groups.items() if len(group) > 1}


def values_of(row: Row) -> tuple[Any, ...]:
    """Give what the row says, wherever it stood: repeats are compared by it."""
    return tuple(value for column, value in row.items() if column != "page")


def _contents(answer: Any) -> tuple[list[Mapping[str, Any]], bool]:
    if not isinstance(answer, dict):
        raise OffContractError("expected a JSON object.")
    campaigns, has_next = answer.get("campaigns"), answer.get("has_next_page")
    if not isinstance(campaigns, list) or not all(isinstance(campaign, dict) for campaign in campaigns):
        raise OffContractError("expected `campaigns`, a list of objects.")
    if not isinstance(has_next, bool):
        raise OffContractError("expected `has_next_page`, true or false.")
    return campaigns, has_next


def _row(campaign: Mapping[str, Any]) -> Row:
    extra = {name: value for name, value in campaign.items() if name not in _COLUMNS}
    known = {column: _text(campaign.get(name)) for name, column in _COLUMNS.items()}
    return {**known, "extra_fields": _storable(_json_text(extra)) if extra else None}


def _text(value: Any) -> str | None:
    """Give a received value as text: numbers as plain decimals, null as None, anything nested as JSON."""
    if value is None:
        return None
    if isinstance(value, _Number):
        return _plain_decimal(value)
    return _storable(value if isinstance(value, str) else _json_text(value))


def _plain_decimal(number: str) -> str:
    """Write 1.5e3 as 1500; an exponent that would fill memory with zeros stays as it came."""
    if "e" not in number.lower():
        return str(number)
    try:
        value = Decimal(number)
    except InvalidOperation:
        return str(number)
    return f"{value:f}" if abs(value.adjusted()) <= _LONGEST_EXPANSION else str(number)


def _json_text(value: Any) -> str:
    """Write parsed JSON back as text, with every number exactly as it came."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json_text(name)}: {_json_text(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _storable(text: str) -> str:
    """Replace lone surrogates, which JSON escapes can spell and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
