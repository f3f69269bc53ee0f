"""Signed links: what they allow, and everything that is not one."""

import base64
import hashlib
import hmac
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import AcknowledgementInvalidError, SettingInvalidError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.notifications.acknowledging import (
    LIFETIME_S,
    LONGEST_TOKEN,
    Acknowledgement,
    acknowledging_key,
    link,
    token,
    verified,
)
from alchemiser_cli.settings import HealthSettings
from alchemiser_cli.settings.resolve import Request, resolve

KEY = b"k" * 32
OTHER = b"K" * 32
INCIDENT = "0123456789abcdef" * 2
NOW_NS = 1_700_000_000 * NS_PER_SECOND
URL_SAFE = string.ascii_letters + string.digits + "-_"

incidents = st.text(URL_SAFE, min_size=1, max_size=32)
channels = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=64)
times = st.integers(0, 2**63 - 1)


def refused(given_token, key=KEY, now_ns=NOW_NS):
    with pytest.raises(AcknowledgementInvalidError) as caught:
        verified(given_token, key, now_ns)
    error = caught.value
    assert error.exit_code is ExitCode.REFUSED
    return error


@given(incidents, channels, times)
def test_a_token_allows_what_it_was_made_for_until_its_end(incident, channel, expires_ns):
    made = token(incident, channel, KEY, expires_ns)
    assert len(made) <= LONGEST_TOKEN
    assert set(made) <= set(URL_SAFE + ".")
    assert verified(made, KEY, expires_ns - 1) == Acknowledgement(incident, channel, expires_ns)
    assert refused(made, now_ns=expires_ns).context["expired"] is True


@pytest.mark.provokes("acknowledgement-invalid")
@given(st.text(max_size=300) | st.text(URL_SAFE + ".", max_size=300) | st.binary().map(str))
@example("")
@example(".")
@example("a." + "A" * 43)
@example("a" * 100_000)
@example("a." * 50_000)
@example("a." + "A" * 43 + "\n")
@example("ä." + "ä" * 43)
@example("\ud800." + "A" * 43)
@example("a\0." + "A" * 43)
@example("٣." + "٣" * 43)
def test_whatever_is_no_token_is_refused_in_the_same_words(given_token):
    error = refused(given_token)
    assert error.context == {"expired": False}
    assert (error.what, error.why) == (refused("x").what, refused("x").why)


@given(st.integers(0, 255), st.integers(0, 200), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_token_that_is_changed_anywhere_is_refused(at, cut, letter):
    made = token(INCIDENT, "email", KEY, NOW_NS + 1)
    at %= len(made)
    changed = made[:at] + letter + made[at + 1 :]
    if changed != made:
        assert refused(changed).context["expired"] is False
    if cut < len(made):
        refused(made[:cut])
    refused(made[:at] + letter + made[at:])


def test_a_token_has_one_spelling():
    """Unused bits of the last character would make others of the same signature."""
    made = token(INCIDENT, "email", KEY, NOW_NS + 1)
    twins = [made[:-1] + letter for letter in URL_SAFE if letter != made[-1]]
    same = [one for one in twins if _bytes(one[-43:]) == _bytes(made[-43:])]
    assert same
    for one in [*same, made + "=", made.replace(".", "=.")]:
        refused(one)


def test_the_key_and_the_purpose_are_part_of_the_signature():
    made = token(INCIDENT, "email", KEY, NOW_NS + 1)
    body = made.partition(".")[0]
    refused(made, key=OTHER)
    refused(token(INCIDENT, "email", OTHER, NOW_NS + 1))
    # The audit trail is signed with the same key: none of its signatures is a link's.
    bare = hmac.digest(KEY, body.encode(), hashlib.sha256)
    refused(f"{body}.{base64.urlsafe_b64encode(bare).rstrip(b'=').decode()}")


def test_nothing_is_signed_that_could_be_read_in_two_ways():
    for incident, channel in (("", "a"), ("a" * 33, "a"), ("a.b", "a"), ("a", ""), ("a", 'x","y')):
        with pytest.raises(ValueError, match="no link"):
            token(incident, channel, KEY, NOW_NS)


@pytest.mark.parametrize(
    ("fields", "begins"),
    [
        ({}, "http://127.0.0.1:8000/ack/"),
        ({"host": "::1", "port": 9_100}, "http://[::1]:9100/ack/"),
        ({"public_url": "https://desk.example.com/"}, "https://desk.example.com/ack/"),
        ({"public_url": "https://desk.example.com:8443/a"}, "https://desk.example.com:8443/a/ack/"),
        ({"host": "0.0.0.0"}, None),  # noqa: S104  no place to go to
        ({"port": 0}, None),
    ],
)
def test_a_link_leads_to_the_server_and_is_good_for_a_week(fields, begins):
    made = link(HealthSettings(**fields), INCIDENT, "email", KEY, NOW_NS)
    if begins is None:
        assert made is None
        return
    assert made.startswith(begins)
    allowed = verified(made.removeprefix(begins), KEY, NOW_NS)
    assert allowed.expires_ns == NOW_NS + 7 * 86_400 * NS_PER_SECOND
    assert LIFETIME_S == 7 * 86_400


def test_without_a_key_there_is_no_link():
    assert link(HealthSettings(), INCIDENT, "email", None, NOW_NS) is None


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({}, None),  # a transient one: nobody could verify the links
        ({"ALCHEMISER_SIGNING__KEY": "k" * 31}, None),
        ({"ALCHEMISER_SIGNING__KEY": "k" * 32}, KEY),
    ],
)
def test_only_a_lasting_key_that_is_long_enough_signs_links(tmp_path, variables, key):
    resolved = resolve(Request(profile=None, home=tmp_path, assignments=(), environ=variables))
    assert acknowledging_key(resolved) == key


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "https://",
        "javascript:alert(1)",
        "https://me:secret@desk.example.com",  # pragma: allowlist secret
        "https://desk.example.com/?a=b",
        "https://desk.example.com/#a",
        'https://desk.example.com/"><b>',
        "https://desk.example.com:port",
        "https://desk.example.com/\r\nX: y",
    ],
)
def test_links_lead_to_no_address_that_is_none(tmp_path, url):
    with pytest.raises(SettingInvalidError):
        resolve(Request(home=tmp_path, environ={"ALCHEMISER_HEALTH__PUBLIC_URL": url}))


def _bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
