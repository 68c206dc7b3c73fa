"""Messages as Slack takes them: Block Kit, and a plain text for notifications and small screens.

Whatever comes from data stands in `plain_text`, which knows no markup, with Slack's three control characters escaped:
it can neither mention anyone nor be bold. Only the platform's own words, and links to its own pages, are `mrkdwn`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from marketing_assets.reporting.message_words import MESSAGE_WORDS
from marketing_assets.reporting.messages import Document, Message
from marketing_assets.reporting.words import Language

Block = dict[str, Any]

MOST_BLOCKS = 50
_HEADER = 150
_TEXT = 3000
_FIELD = 2000
_FIGURES_PER_BLOCK = 5
"""A section takes ten fields: five labels, five values."""

_CONTROL_CHARACTERS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_EVERYBODY = "<!channel>"


def render_slack(message: Message, reports_url: str | None, language: Language) -> dict[str, Any]:
    """Render a message as the arguments `text` and `blocks` of Slack's chat.postMessage and of webhooks.

    Args:
        message: What to say.
        reports_url: Address at which the reports store is opened; without one, files are named by where they lie.
        language: Language of this module's own words.
    """
    blocks = list(islice(_blocks(message, reports_url, language), MOST_BLOCKS))
    return {"text": _fallback(message), "blocks": blocks}


def _fallback(message: Message) -> str:
    lines = [message.title, message.lead, *(f"{label}: {value}" for label, value in message.figures)]
    mention = f"{_EVERYBODY} " if message.urgent else ""
    return mention + _fit("\n".join(filter(None, lines)), _TEXT - len(mention))


def _blocks(message: Message, reports_url: str | None, language: Language) -> Iterator[Block]:
    words = MESSAGE_WORDS[language]
    yield {"type": "header", "text": _plain(message.title, _HEADER)}
    if message.urgent:
        yield _section(_markup(_EVERYBODY))
    if message.lead:
        yield _section(_plain(message.lead, _TEXT))
    for start in range(0, len(message.figures), _FIGURES_PER_BLOCK):
        figures = message.figures[start : start + _FIGURES_PER_BLOCK]
        pairs = ((_bold(label), _plain(value, _FIELD)) for label, value in figures)
        yield {"type": "section", "fields": [part for pair in pairs for part in pair]}
    for section in message.sections:
        yield {"type": "divider"}
        yield _section(_bold(section.heading))
        yield _section(_plain("\n".join(f"• {line}" for line in section.lines), _TEXT))
    links = [f"<{message.run_url}|{words['run']}>"] if message.run_url else []
    if reports_url:
        links += [_link(document, reports_url) for document in message.documents]
    if links:
        yield _context(_markup(" · ".join(links)))
    if message.documents and not reports_url:
        yield _context(_plain(_places(words["files"], message.documents), _TEXT))


def _link(document: Document, reports_url: str) -> str:
    # Quoted, a key holds none of the characters that end a link.
    return f"<{reports_url.rstrip('/')}/{quote(document.key)}|{_escape(document.label)}>"


def _places(heading: str, documents: Sequence[Document]) -> str:
    return "\n".join([heading, *(f"{document.label}: {document.uri}" for document in documents)])


def _section(text: Block) -> Block:
    return {"type": "section", "text": text}


def _context(text: Block) -> Block:
    return {"type": "context", "elements": [text]}


def _plain(text: str, longest: int) -> Block:
    return {"type": "plain_text", "text": _fit(text, longest), "emoji": False}


def _bold(words: str) -> Block:
    return _markup(f"*{_escape(words)}*")


def _markup(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _fit(text: str, longest: int) -> str:
    """Escape a text, and cut it where it would be too long, between characters and never within an escape."""
    escaped = _escape(text)
    if len(escaped) <= longest:
        return escaped
    return "".join(_while_it_fits(map(_escape, text), longest - 1)) + "…"


def _while_it_fits(pieces: Iterable[str], longest: int) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > longest:
            return
        yield piece


def _escape(text: str) -> str:
    return "".join(_CONTROL_CHARACTERS.get(character, character) for character in text)
