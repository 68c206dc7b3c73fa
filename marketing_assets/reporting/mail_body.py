"""Messages as the body of a mail: plain text, and HTML that every mail program shows alike."""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from tabulate import tabulate

from marketing_assets.reporting.message_words import MESSAGE_WORDS
from marketing_assets.reporting.messages import Document, Message
from marketing_assets.reporting.words import Language

_PAGE = (
    '<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>{title}</title></head>'
    '<body style="margin:0;padding:16px;font-family:sans-serif;font-size:15px;line-height:1.5;color:#1f2933;'
    'overflow-wrap:anywhere"><div style="max-width:640px">{body}</div></body></html>'
)
_HEADING = '<h1 style="font-size:20px;margin:0 0 8px;border-left:4px solid {color};padding-left:8px">{title}</h1>'
_SUBHEADING = '<h2 style="font-size:16px;margin:20px 0 4px">{title}</h2>'
_ROW = (
    '<tr><td style="padding:2px 16px 2px 0;color:#52606d;white-space:nowrap;vertical-align:top">{label}</td>'
    '<td style="padding:2px 0;font-weight:bold">{value}</td></tr>'
)
_CALM, _ALARM = "#2b6cb0", "#c53030"


def render_text_body(message: Message, reports_url: str | None, language: Language) -> str:
    """Render a message as plain text."""
    words = MESSAGE_WORDS[language]
    figures = tabulate(message.figures, tablefmt="plain", disable_numparse=True)
    parts = [message.title, message.lead, figures]
    parts += [f"■ {section.heading}\n" + _bullets(section.lines) for section in message.sections]
    if message.documents:
        places = [f"{document.label}: {_place(document, reports_url)}" for document in message.documents]
        parts.append(f"■ {words['files']}\n{_bullets(places)}")
    if message.run_url:
        parts.append(f"{words['run']}: {message.run_url}")
    return "\n\n".join(filter(None, parts)) + "\n"


def render_html_body(message: Message, reports_url: str | None, language: Language) -> str:
    """Render a message as one HTML page without scripts, style sheets or pictures; every value is escaped."""
    words = MESSAGE_WORDS[language]
    parts = [_HEADING.format(title=escape(message.title), color=_ALARM if message.urgent else _CALM)]
    if message.lead:
        parts.append(f"<p>{escape(message.lead)}</p>")
    rows = (_ROW.format(label=escape(label), value=escape(value)) for label, value in message.figures)
    parts.append(f'<table style="border-collapse:collapse">{"".join(rows)}</table>')
    parts += [_html_section(section.heading, map(escape, section.lines)) for section in message.sections]
    if message.documents:
        links = (_html_document(document, reports_url) for document in message.documents)
        parts.append(_html_section(words["files"], links))
    if message.run_url:
        parts.append(f'<p><a href="{escape(message.run_url)}">{escape(words["run"])}</a></p>')
    return _PAGE.format(language=language, title=escape(message.title), body="".join(parts))


def _html_section(heading: str, items: Iterable[str]) -> str:
    told = "".join(f"<li>{item}</li>" for item in items)
    return f'{_SUBHEADING.format(title=escape(heading))}<ul style="margin:0;padding-left:20px">{told}</ul>'


def _html_document(document: Document, reports_url: str | None) -> str:
    label, place = escape(document.label), escape(_place(document, reports_url))
    return f'<a href="{place}">{label}</a>' if reports_url else f"{label}: {place}"


def _place(document: Document, reports_url: str | None) -> str:
    return f"{reports_url.rstrip('/')}/{quote(document.key)}" if reports_url else document.uri


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
