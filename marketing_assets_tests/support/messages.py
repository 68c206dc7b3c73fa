"""Messages to send."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from marketing_assets.reporting.messages import Document, Message, Section
from marketing_assets.settings import NotificationSettings, load_notification_settings

HOSTILE = ["<script>alert(1)</script>", '=HYPERLINK("http://x")', "<!channel> & *bold*", "<@U1> `_x_` ~y~ @here :tada:"]
"""Names of channels that try to be more than names."""


def message(subject: str = "report 2024-01-15", title: str = "Daily marketing report 2024-01-15", **rest) -> Message:
    """Make a message of one figure and one warning."""
    return Message(
        subject=subject,
        title=title,
        **{
            "lead": "Window: 2023-12-19 to 2024-01-15",
            "figures": (("Ad cost", "1,234"),),
            "sections": (Section("Warnings", ("ads / unattributed: 1 campaign",)),),
            **rest,
        },
    )


def document(key: str, label: str = "Text") -> Document:
    return Document(label, key, f"/reports/{key}")


def hostile_message() -> Message:
    """Make a message that says hostile things wherever it says anything."""
    bad = " ".join(HOSTILE)
    return message(title=bad, lead=bad, figures=(("Best channel", bad),), sections=(Section("Warnings", (bad,)),))


@contextmanager
def notification_settings(**values: str) -> Iterator[NotificationSettings]:
    """Read the settings from an environment with these values, and no others of theirs."""
    with pytest.MonkeyPatch.context() as environment:
        for name in NotificationSettings.model_fields:
            environment.delenv(name.upper(), raising=False)
        for name, value in values.items():
            environment.setenv(name, value)
        yield load_notification_settings()
