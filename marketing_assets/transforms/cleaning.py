"""From raw to validated: every row gets a reason why it cannot be used, or none; then the two parts are taken.

Rows in = rows with a reason + rows without, always: nothing here filters before judging.
"""

from collections.abc import Sequence
from fnmatch import filter as glob_filter
from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

from marketing_assets.channels import KNOWN_CHANNELS, UNATTRIBUTED
from marketing_assets.tables import QUARANTINE_ADS, QUARANTINE_SALES, VALIDATED_ADS, VALIDATED_CRM, VALIDATED_SALES
from marketing_assets.transforms.figures import EXACT, open_frame, ratio

ChannelRule = tuple[str, str]
"""A glob on campaign id or name, and the channel of the campaigns that it matches."""

RETURN = "negative_revenue"
"""The reason of rows that are returns: nothing is wrong with them, they are just not sales."""

# Spelled out, for regular expressions differ by engine: \d may take the digits of every script, $ a last line break.
_AMOUNT = r"^-?[0-9]{1,15}(\.[0-9]+)?\z"
_COUNT = r"^-?[0-9]{1,12}(\.0+)?\z"
_WHITESPACE = "".join(char for char in map(chr, range(0x3001)) if char.isspace() and not "\x1c" <= char <= "\x1f")
"""What Unicode calls white space (Python adds four separators); engines left to themselves trim less of it or more."""


def judge_ads(raw: IntoFrameT) -> IntoFrameT:
    """Add `reason` to RAW_ADS rows: wrong_date, unreadable_value, duplicate_campaign_id, or null for a usable row.

    Of identical repeats of a campaign one row stays usable.
    """
    own_day = nw.col("reported_date").str.slice(0, 10) == nw.col("date").dt.to_string("%Y-%m-%d")
    readable = nw.all_horizontal(
        *(_matches(name, _COUNT) for name in ("impressions", "clicks")),
        *(_matches(name, _AMOUNT) for name in ("cost", "conversions")),
        ignore_nulls=False,
    )
    judged = open_frame(raw).with_columns(
        reason=nw.when(~_true(own_day))
        .then(nw.lit("wrong_date"))
        .otherwise(nw.when(~readable).then(nw.lit("unreadable_value")))
    )
    repeat = nw.col("page").rank("ordinal").over("date", "campaign_id", "reason") > 1
    duplicate = nw.col("reason").is_null() & ~nw.col("campaign_id").is_null() & repeat
    return judged.with_columns(
        reason=nw.when(duplicate).then(nw.lit("duplicate_campaign_id")).otherwise(nw.col("reason"))
    ).to_native()


def take_validated_ads(judged: IntoFrameT, rules: Sequence[ChannelRule] = ()) -> IntoFrameT:
    """Type the usable rows of `judge_ads` as VALIDATED_ADS.

    A campaign's channel is the one it reports, else that of the first rule whose glob matches its id or name (case
    counts), else Unattributed.
    """
    usable = open_frame(judged).filter(nw.col("reason").is_null())
    counts = {name: nw.col(name).str.replace_all(r"\.0+\z", "").cast(nw.Int64) for name in ("impressions", "clicks")}
    money = {name: _exact(name) for name in ("cost", "conversions")}
    return (
        usable.with_columns(
            campaign_id=nw.when(~_blank("campaign_id")).then(nw.col("campaign_id")),
            acquisition_channel=nw.coalesce(
                _tidy_text("acquisition_channel"), _channel_by_rule(usable, rules), nw.lit(UNATTRIBUTED)
            ),
            **counts,
            **money,
        )
        .with_columns(acquisition_channel=_tidy_channel("acquisition_channel"))
        .with_columns(ctr=ratio(nw.col("clicks"), nw.col("impressions"), 100))
        .select(*VALIDATED_ADS.names)
        .to_native()
    )


def take_quarantined_ads(judged: IntoFrameT) -> IntoFrameT:
    """Take the rows of `judge_ads` that have a reason, as QUARANTINE_ADS."""
    return _quarantined(judged, QUARANTINE_ADS.names)


def judge_sales(raw: IntoFrameT) -> IntoFrameT:
    """Add `reason` to RAW_SALES rows, or null for a usable row.

    In this order: missing_order_id, missing_customer_id, missing_revenue, unreadable_revenue, negative_revenue (a
    return), duplicate_order_id.
    """
    amount = nw.col("parsed_revenue")
    cases = (
        (nw.col("parsed_order_id").is_null(), "missing_order_id"),
        (nw.col("parsed_customer_id").is_null(), "missing_customer_id"),
        (amount.is_null() & _blank("revenue"), "missing_revenue"),
        (amount.is_null(), "unreadable_revenue"),
        (amount < 0, RETURN),
        (~nw.col("repeats_line").is_null(), "duplicate_order_id"),
    )
    return open_frame(raw).with_columns(reason=_first_true(cases)).to_native()


def take_validated_sales(judged: IntoFrameT) -> IntoFrameT:
    """Type the usable rows of `judge_sales` as VALIDATED_SALES."""
    return (
        open_frame(judged)
        .filter(nw.col("reason").is_null())
        .with_columns(
            order_id=nw.col("parsed_order_id"),
            customer_id=nw.col("parsed_customer_id"),
            order_date=nw.col("date"),
            revenue=nw.col("parsed_revenue"),
            product_category=_tidy_text("product_category"),
        )
        .select(*VALIDATED_SALES.names)
        .to_native()
    )


def take_quarantined_sales(judged: IntoFrameT) -> IntoFrameT:
    """Take the rows of `judge_sales` that have a reason, as QUARANTINE_SALES."""
    return _quarantined(judged, QUARANTINE_SALES.names)


def judge_crm(raw: IntoFrameT) -> IntoFrameT:
    """Add `reason` to RAW_CRM rows: null, for every row is usable."""
    return open_frame(raw).with_columns(reason=nw.lit(None).cast(nw.String)).to_native()


def clean_crm(raw: IntoFrameT) -> IntoFrameT:
    """Tidy the spelling of channels in RAW_CRM rows, giving VALIDATED_CRM; no row is ever taken out."""
    return (
        open_frame(raw)
        .with_columns(acquisition_channel=_tidy_channel("acquisition_channel"))
        .select(*VALIDATED_CRM.names)
        .to_native()
    )


def _matches(name: str, pattern: str) -> nw.Expr:
    return _true(nw.col(name).str.contains(pattern))


def _exact(name: str) -> nw.Expr:
    """Read money to 18 decimals; further ones are cut, for engines differ in how they round them."""
    return nw.col(name).str.replace_all(r"(\.[0-9]{18})[0-9]+\z", "$1").cast(EXACT)


def _true(condition: nw.Expr) -> nw.Expr:
    """Read an unknown condition (of a missing value) as false."""
    return nw.when(condition.is_null()).then(nw.lit(False)).otherwise(condition)


def _tidy_text(name: str) -> nw.Expr:
    return _trimmed(nw.col(name))


def _trimmed(text: nw.Expr) -> nw.Expr:
    """Trim a text; an empty one is null."""
    trimmed = text.str.strip_chars(_WHITESPACE)
    return nw.when(trimmed != "").then(trimmed)


def _blank(name: str) -> nw.Expr:
    return _tidy_text(name).is_null()


def _tidy_channel(name: str) -> nw.Expr:
    """Put a channel on one line, trimmed, known ones in their proper spelling; an empty one is null."""
    one_line = nw.col(name).str.replace_all(r"[\x00-\x1f\x7f]+", " ")
    tidy = _trimmed(one_line)
    folded = tidy.str.to_lowercase()
    known = [(folded == channel.lower(), channel) for channel in (*KNOWN_CHANNELS, UNATTRIBUTED)]
    return _first_true(known, otherwise=tidy)


def _channel_by_rule(campaigns: Any, rules: Sequence[ChannelRule]) -> nw.Expr:
    if not rules:
        return nw.lit(None).cast(nw.String)
    named = campaigns.select("campaign_id", "campaign_name").unique().lazy().collect()
    ids, names = ({text for text in named[column].to_list() if text} for column in ("campaign_id", "campaign_name"))
    cases = [
        (
            _true(nw.col("campaign_id").is_in(glob_filter(ids, pattern)))
            | _true(nw.col("campaign_name").is_in(glob_filter(names, pattern))),
            channel,
        )
        for pattern, channel in rules
    ]
    return _first_true(cases)


def _first_true(cases: Sequence[tuple[nw.Expr, str]], otherwise: nw.Expr | None = None) -> nw.Expr:
    """Give the text of the first case that holds."""
    chosen = nw.lit(None).cast(nw.String) if otherwise is None else otherwise
    for condition, text in reversed(cases):
        chosen = nw.when(condition).then(nw.lit(text)).otherwise(chosen)
    return chosen


def _quarantined(judged: IntoFrameT, names: Sequence[str]) -> IntoFrameT:
    return open_frame(judged).filter(~nw.col("reason").is_null()).select(*names).to_native()
