"""Bytes of other programs are shown, and never obeyed."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.render.foreign_text import hex_dump, printable, quoted


@given(st.binary(max_size=600))
def test_any_bytes_become_printable_text(value):
    assert quoted(value).isprintable()
    assert all(line.isprintable() for line in hex_dump(value).splitlines())


@given(st.text())
def test_any_words_become_printable_and_printable_ones_stay(text):
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


def test_text_that_is_cut_inside_a_character_stays_text():
    assert quoted("é".encode() * 3, limit=3) == "é..."
    assert quoted(b"\xff\x00", limit=3) == "ff 00"


def test_a_long_value_is_dumped_to_256_bytes():
    dump = hex_dump(b"A" * 300).splitlines()
    assert dump[0] == "00000000  " + " ".join(["41"] * 16) + "  " + "A" * 16
    assert (len(dump), dump[-1]) == (17, "... and 44 more bytes")
