"""The file that gives channels to campaigns which report none (CAMPAIGN_CHANNELS_CSV)."""

import csv
import io
from pathlib import PurePosixPath

from marketing_assets.errors import PermanentError
from marketing_assets.storage.places import open_place


def read_channel_rules(uri: str | None) -> list[tuple[str, str]]:
    """Read `pattern, channel` lines in order; no file set means no rules.

    Raises:
        PermanentError: the file is missing or may not be read, is not UTF-8, or lacks a column or a value.
        TransientError: the store that holds it did not answer.
    """
    if uri is None:
        return []
    folder, name = uri.rsplit("/", 1) if "/" in uri else (".", uri)
    try:
        text = open_place(folder or "/").read(PurePosixPath(name).name).decode("utf-8-sig")
    except FileNotFoundError:
        raise PermanentError(f"CAMPAIGN_CHANNELS_CSV names {uri}, but there is no such file.") from None
    except OSError as error:
        raise PermanentError(f"CAMPAIGN_CHANNELS_CSV names {uri}, but: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise PermanentError(
            f"Expected {uri} (CAMPAIGN_CHANNELS_CSV) in UTF-8, found something else at byte {error.start}. "
            "Save it as UTF-8."
        ) from None
    rules = _parse(text, uri)
    broken = [str(number) for number, rule in rules.items() if not all(rule)]
    if broken:
        raise PermanentError(
            f"Expected a pattern and a channel on every line of {uri} (CAMPAIGN_CHANNELS_CSV); "
            f"one is missing on line {', '.join(broken)}."
        )
    return list(rules.values())


def _parse(text: str, uri: str) -> dict[int, tuple[str, str]]:
    """Parse the rules by the line of the file on which each ends."""
    lines = csv.DictReader(io.StringIO(text, newline=None))
    numbered = ((lines.line_num, line) for line in lines)
    if not {"pattern", "channel"} <= set(lines.fieldnames or ()):
        found = ", ".join(lines.fieldnames or ()) or "nothing"
        raise PermanentError(
            f"Expected the columns pattern,channel in {uri} (CAMPAIGN_CHANNELS_CSV), found {found}. Name them so."
        )
    return {number: ((line["pattern"] or "").strip(), (line["channel"] or "").strip()) for number, line in numbered}
