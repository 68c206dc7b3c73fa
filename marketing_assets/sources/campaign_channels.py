"""The file that gives channels to campaigns which report none (CAMPAIGN_CHANNELS_CSV)."""

import csv
import io
from pathlib import PurePosixPath

from marketing_assets.errors import PermanentError
from marketing_assets.storage.places import open_place


def read_channel_rules(uri: str | None) -> list[tuple[str, str]]:
    """Read `pattern, channel` lines in order; no file set means no rules.

    Raises:
        PermanentError: the file is missing or may not be read, is not CSV in UTF-8, or lacks a column or a value.
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
    try:
        rules = _parse(text, uri)
    except csv.Error as error:
        raise PermanentError(f"Expected {uri} (CAMPAIGN_CHANNELS_CSV) as CSV: {error}.") from None
    broken = [str(number) for number, rule in rules.items() if not all(rule)]
    if broken:
        which = f"Line {broken[0]}" if len(broken) == 1 else f"Lines {', '.join(broken)}"
        lacks = "lacks" if len(broken) == 1 else "lack"
        raise PermanentError(f"{which} of {uri} (CAMPAIGN_CHANNELS_CSV) {lacks} a pattern or a channel.")
    return list(rules.values())


def _parse(text: str, uri: str) -> dict[int, tuple[str, str]]:
    """Parse the rules by the line of the file on which each ends."""
    lines = csv.DictReader(io.StringIO(text))
    if not {"pattern", "channel"} <= set(lines.fieldnames or ()):
        found = ", ".join(lines.fieldnames or ()) or "nothing"
        raise PermanentError(
            f"Expected the columns pattern,channel in {uri} (CAMPAIGN_CHANNELS_CSV), found {found}. Name them so."
        )
    return {
        lines.line_num: ((line["pattern"] or "").strip(), (line["channel"] or "").strip()) for line in lines
    }
