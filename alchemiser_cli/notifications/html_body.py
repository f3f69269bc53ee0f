"""The HTML of a message: styles stand on the elements, for mail programs drop style sheets."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

import msgspec

__all__ = ["Row", "document"]

_TONES: Mapping[str, str] = {
    "critical": "#c92a2a",
    "high": "#d9622b",
    "medium": "#b7791f",
    "low": "#3b5bdb",
    "resolved": "#2b8a3e",
    "digest": "#667085",
}
_CODE = (
    "font:13px/1.4 ui-monospace,'SF Mono','DejaVu Sans Mono',monospace;background:#eceff3;"
    "border-radius:4px;padding:2px 6px"
)
_NAME = (
    "text-align:left;vertical-align:top;white-space:nowrap;padding:5px 16px 5px 0;"
    "color:#667085;font-weight:500;font-size:13px"
)
_VALUE = "vertical-align:top;padding:5px 0;overflow-wrap:anywhere"


class Row(msgspec.Struct, frozen=True):
    """A named value; a ``command`` is to be copied, and ``link`` is where it leads.

    A ``strong`` one that is a severity has its color.
    """

    name: str
    value: str
    link: str = ""
    command: bool = False
    strong: bool = False


def document(
    title: str, tone: str, notes: Sequence[str], blocks: Sequence[Sequence[Row]], footer: str
) -> str:
    """Return the whole document; every text is escaped, and nothing is loaded from anywhere.

    ``tone`` is a severity, ``resolved`` or ``digest``.
    """
    color = _TONES[tone]
    heading = "margin:0 0 12px;font-size:18px;line-height:1.35;overflow-wrap:anywhere"
    banner = f'<h1 style="{heading}">{escape(title)}</h1>'
    banner += "".join(
        f'<p style="margin:0 0 12px;color:#667085">{escape(note)}</p>' for note in notes
    )
    template = resources.files(__package__) / "body.html"
    return Template(template.read_text(encoding="utf-8")).substitute(
        tone=color,
        banner=banner,
        body="\n".join(_table(rows, color, first=not n) for n, rows in enumerate(blocks)),
        footer=escape(footer),
    )


def _table(rows: Sequence[Row], color: str, *, first: bool) -> str:
    line = "" if first else "margin-top:14px;border-top:1px solid #e3e6eb;"
    cells = "\n".join(
        f'<tr><th style="{_NAME}">{escape(row.name)}</th>'
        f'<td style="{_VALUE}">{_value(row, color)}</td></tr>'
        for row in rows
    )
    return f'<table style="{line}width:100%;border-collapse:collapse">\n{cells}\n</table>'


def _value(row: Row, color: str) -> str:
    text = escape(row.value)
    if row.command:
        return f'<code style="{_CODE}">{text}</code>'
    if row.link.startswith(("https://", "http://")):
        return f'<a href="{escape(row.link)}" style="color:#3b5bdb">{text}</a>'
    if row.strong:
        return f'<b style="color:{_TONES.get(row.value.lower(), color)}">{text}</b>'
    return text
