"""No secret reaches a record, however deep it lies, and no value can break logging."""

import json
import logging
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alchemiser_cli.logs import get_logger
from alchemiser_cli.logs.redaction import MASK, redacted

SECRET_NAMES = [
    "password",
    "db_password",
    "passwd",
    "passphrase",
    "api_key",
    "apikey",
    "X-API-Key",
    "api_secret",
    "client_secret",
    "token",
    "access_token",
    "Authorization",
    "signing_key",
    "private-key",
    "credentials",
]
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=4).map("Zq9".__add__)
PASSWORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'"), min_size=1
).map("Zq9".__add__)


def _nested(leaf):
    names = st.sampled_from(["topic", "url", "settings", "rows"])
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.lists(inner, min_size=1, max_size=2).map(tuple)
            | st.dictionaries(names, inner, min_size=1, max_size=2)
            | st.dictionaries(names, inner, min_size=1, max_size=2).map(MappingProxyType)
        ),
        max_leaves=4,
    )


def _leaves(secret):
    return (
        st.just(SecretStr(secret))
        | st.just(f"postgresql://desk:{secret}@db/name")
        | st.just(f"see https://desk:{secret}@host/path and more")
        | st.sampled_from(SECRET_NAMES).map(lambda name: {name: secret})
        | st.sampled_from(SECRET_NAMES).map(lambda name: {name: [{"deep": secret}]})
    )


@settings(deadline=None)
@given(st.data(), WORDS)
def test_a_secret_is_masked_at_any_depth(data, secret):
    value = data.draw(_nested(_leaves(secret)))
    shown = json.dumps(redacted("value", value), default=str)
    assert secret not in shown
    assert MASK in shown


@settings(deadline=None)
@given(PASSWORDS, st.sampled_from(["postgresql+psycopg", "https", "kafka"]))
def test_a_password_in_a_url_is_masked_whatever_it_is_made_of(secret, scheme):
    shown = redacted("url", f"cannot reach {scheme}://desk:{secret}@host:5432/name, giving up")
    assert secret not in shown
    assert shown.endswith(", giving up")


@settings(deadline=None)
@given(_nested(st.none() | st.booleans() | st.integers() | WORDS))
def test_what_is_no_secret_is_left_as_it_is(value):
    assert json.dumps(redacted("value", value)) == json.dumps(_plain(value))


def _plain(value):
    if isinstance(value, dict | MappingProxyType):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_means_a_secret_masks_its_value(name):
    assert redacted(name, "hunter2") == MASK
    assert redacted(name, ["hunter2"]) == MASK
    assert redacted(name, None) is None


@pytest.mark.parametrize("name", ["topic", "key", "symbol", "passed", "host", "compass"])
def test_other_names_do_not(name):
    assert redacted(name, "market.ticks") == "market.ticks"


@dataclass
class Account:
    user: str
    password: str


class Login(msgspec.Struct):
    user: str
    api_key: str


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("level", [logging.WARNING, logging.DEBUG])
def test_secrets_reach_neither_a_file_nor_the_console(level, session, folder, stderr):
    url = "postgresql://desk:hunter2@db/name"  # pragma: allowlist secret
    with session(stderr_level=level):
        logger = get_logger("error", "desk")
        error = ConnectionError(f"cannot reach {url}")
        logger.error("failed", cause=error, causes=[error], exc_info=error)
        logger.error(error)
        logger.error("settings", account=Account("desk", "hunter2"), login=Login("desk", "hunter2"))
        logger.error("settings", sets={url}, keys=MappingProxyType({"token": "hunter2"}))
    written = "".join(file.read_text() for file in folder.glob("*.jsonl"))
    assert "hunter2" not in written
    assert "hunter2" not in stderr.getvalue()
    assert written.count(MASK) >= 8


LOOP: list[object] = []
LOOP.append(LOOP)
DIFFICULT = {
    "a text that raises": UnspeakableError(),
    "one inside a list": [UnspeakableError()],
    "a value that contains itself": LOOP,
    "a lone surrogate": "caf\udce9",
    "one inside a dictionary": {"file": "caf\udce9"},
    "a large number": 2**200,
    "not a number": float("nan"),
    "bytes": b"\xff",
    "keys that are not text": {(1, 2): 3, None: 4},
    "a type": Account,
    "a generator": (n for n in range(3)),
}


@pytest.mark.parametrize("value", DIFFICULT)
def test_no_value_can_cost_its_record_or_those_after_it(value, session, records, stderr, capfd):
    with session(stderr_level=logging.DEBUG):
        logger = get_logger("error", "desk")
        logger.error("difficult", value=DIFFICULT[value])
        logger.error("after")
    assert [one["event"] for one in records("error")] == ["difficult", "after"]
    shown = stderr.getvalue()
    assert "difficult" in shown
    assert "after" in shown
    assert "log_file_unwritable" not in shown
    assert capfd.readouterr().err == ""


def test_an_event_that_is_no_text_is_kept_too(session, records, stderr, capfd):
    with session():
        get_logger("error", "desk").error(UnspeakableError())
        get_logger("error", "desk").error("after")
    assert len(records("error")) == 2
    assert "after" in stderr.getvalue()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("message", "arguments"), [("%d apples", ("no number",)), ({"a": 1}, ()), ("plain", ())]
)
def test_a_record_of_the_standard_library_does_not_end_the_listener(
    message, arguments, session, records, capfd
):
    with session():
        logging.getLogger("alchemiser.error").error(message, *arguments)
        get_logger("error", "desk").error("after")
    kept = [one for one in records("error", own=True) if one.get("component")]
    assert [one["event"] for one in kept] == ["after"]
