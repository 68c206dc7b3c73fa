"""The file that gives channels to campaigns which report none (CAMPAIGN_CHANNELS_CSV)."""

import csv
import io
from pathlib import PurePosixPath

from marketing_assets.errors import PermanentError
from marketing_assets.storage.places import open_place


def read_channel_rules(uri: str | None) -> list[tuple[str, str]]:
    """Read `pattern, channel` lines in order; no file set means no rules.

    Raises:
        PermanentError: the file is missing, is not UTF-8, or lacks a column or a value.
    """
    if uri is None:
        return []
    folder, name = uri.rsplit("/", 1) if "/" in uri else (".", uri)
    try:
        text = open_place(folder or "/").read(PurePosixPath(name).name).decode("utf-8-sig")
    except FileNotFoundError:
        raise PermanentError(f"CAMPAIGN_CHANNELS_CSV names {uri}, but there is no such file.") from None
    except UnicodeDecodeError as error:
        raise PermanentError(
            f"Expected {uri} (CAMPAIGN_CHANNELS_CSV) in UTF-8: {error.reason} at {error.start}."
        ) from None
    lines = csv.DictReader(io.StringIO(text))
    if not {"pattern", "channel"} <= set(lines.fieldnames or ()):
        raise PermanentError(
            f"Expected the columns pattern,channel in {uri} (CAMPAIGN_CHANNELS_CSV), found {lines.fieldnames}."
        )
    rules = [((line["pattern"] or "").strip(), (line["channel"] or "").strip()) for line in lines]
    broken = [number for number, rule in enumerate(rules, start=2) if not all(rule)]
    if broken:
        raise PermanentError(f"Lines {broken} of {uri} (CAMPAIGN_CHANNELS_CSV) lack a pattern or a channel.")
    return rules
