"""Bytes and words of other programs, made safe to show on a terminal."""

import base64
import codecs

__all__ = ["base64_text", "hex_dump", "lossy_text", "printable", "quoted"]

DUMPED_BYTES = 256
BYTES_A_LINE = 16
SHOWN_HEX_BYTES = 12


def printable(text: str) -> str:
    """Escape what a terminal would obey, such as colours and cursor movements."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def quoted(value: bytes, limit: int = 64) -> str:
    """Return the beginning of ``value``: as text where it is text, else in hexadecimal."""
    part, dots = value[:limit], "..." if len(value) > limit else ""
    try:
        # Where the beginning ends inside a character, that one is left out.
        text = codecs.getincrementaldecoder("utf-8")().decode(part, final=not dots)
        return printable(text) + dots
    except UnicodeDecodeError:
        dots = "..." if len(value) > SHOWN_HEX_BYTES else ""
        return part[:SHOWN_HEX_BYTES].hex(" ") + dots


def hex_dump(value: bytes) -> str:
    """Return the first 256 bytes in lines of 16: where, in hexadecimal, and as ASCII."""
    shown = value[:DUMPED_BYTES]
    starts = range(0, len(shown), BYTES_A_LINE)
    lines = [_dump_line(at, shown[at : at + BYTES_A_LINE]) for at in starts]
    if len(value) > DUMPED_BYTES:
        lines.append(f"... and {len(value) - DUMPED_BYTES:,} more bytes")
    return "\n".join(lines)


def lossy_text(value: bytes | None) -> str | None:
    """Return ``value`` as UTF-8, with a mark for each byte that is none; for JSON."""
    return None if value is None else value.decode("utf-8", "replace")


def base64_text(value: bytes | None) -> str | None:
    """Return ``value`` in Base64 (RFC 4648); for JSON."""
    return None if value is None else base64.b64encode(value).decode()


def _dump_line(at: int, part: bytes) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
    return f"{at:08x}  {part.hex(' '):<47}  {text}"
