"""Parts of an HTML page that needs nothing else: escaped sections and tables, style inside."""

from collections.abc import Sequence
from html import escape
from importlib import resources

__all__ = ["Html", "figures", "page", "section", "table"]


class Html(str):
    """Markup that is safe to show as it is; every other text is escaped."""

    __slots__ = ()


def page(title: str, styles: Sequence[str], header: Html, body: str, footer: Html) -> str:
    """Return the whole document; ``styles`` name the package's style sheets to put inside."""
    folder = resources.files(__package__)
    style = "".join((folder / name).read_text(encoding="utf-8") for name in styles)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Even a mistake in the escaping could load or run nothing.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>\n{style}</style></head>\n<body><main>"
        f"<header>{header}</header>\n{body}<footer>{footer}</footer></main></body></html>\n"
    )


def section(title: str, body: Html) -> str:
    """Return a section under its title."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n"


def figures(shown: Sequence[tuple[str, str, str]]) -> str:
    """Return large numbers, each with its text and its tone (empty, good, warn or bad)."""
    cells = "".join(
        f'<div><b class="{tone}">{escape(number)}</b><span>{escape(text)}</span></div>'
        for number, text, tone in shown
    )
    return f'<div class="figures">{cells}</div>\n'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """Return a table; a column whose name begins with # holds numbers."""
    if not rows:
        return Html('<p class="none">None.</p>')
    numbers = [name.startswith("#") for name in columns]
    head = "".join(
        f"<th{_kind(number=number)}>{escape(name.lstrip('#'))}</th>"
        for name, number in zip(columns, numbers, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, number=n) for c, n in zip(row, numbers, strict=True))}</tr>"
        for row in rows
    )
    return Html(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')


def _kind(*, number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(text: str, *, number: bool) -> str:
    kind = _kind(number=number)
    if isinstance(text, Html):
        kind = ' class="share-cell"' if text.startswith("<svg") else ' class="whole"'
        return f"<td{kind}>{text}</td>"
    return f"<td{kind}>{escape(text)}</td>"
