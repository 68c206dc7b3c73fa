"""The two kinds of fault: what a retry can mend, and what it cannot.

Every message says what was expected, what was found, and what to do next. No message ever holds a secret.
"""

import re


class MarketingError(Exception):
    """Base of every fault this platform raises on purpose."""


class TransientError(MarketingError):
    """A fault of the moment: a network drop, a 5xx, a database that is away. Worth another try later."""


class PermanentError(MarketingError):
    """A fault that the same call will meet again: bad input, a rejected key, a missing setting. Never retried."""


class SettingsError(PermanentError):
    """A setting is missing or unreadable."""


class SourceNotReadyError(PermanentError):
    """A source does not have the day yet. Nothing is broken: the day can be materialized once the source has it."""


def mask_secrets(text: str) -> str:
    """Take the logins out of every address in a text that somebody else wrote, such as a library's error."""
    return re.sub(r"(?<=://)[^\s/@]*:[^\s/@]*@", "***@", text)
