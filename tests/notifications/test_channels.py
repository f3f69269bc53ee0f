"""Channels against real servers: a mail server, and a web server that fails in every way."""

import io
import json
import logging
import time

import pytest
from pydantic import SecretStr
from test_bodies import incident

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock, SystemClock
from alchemiser_cli.notifications.bodies import render, render_test
from alchemiser_cli.notifications.channels import AppriseChannel, channels_of
from alchemiser_cli.notifications.webhook import WebhookChannel, retry_after_s
from alchemiser_cli.settings import NotificationChannel, Settings
from alchemiser_cli.testing.mailbox import running_mailbox
from alchemiser_cli.testing.webhook import Answer, running_hook

MESSAGE = render([incident()])
PASSWORD = "pa55-w0rd"  # noqa: S105  of a server on loopback  # pragma: allowlist secret


@pytest.fixture
def hook():
    with running_hook() as hook:
        yield hook


def mail(box, timeout_s=5.0):
    return AppriseChannel("mail", NotificationChannel(url=SecretStr(box.url)), timeout_s)


def web(hook, timeout_s=5.0, clock=None, url=None):
    settings = NotificationChannel(url=SecretStr(url or hook.url))
    return WebhookChannel("hook", settings, timeout_s, clock or SystemClock())


def test_a_mail_arrives_as_text_and_html_with_its_subject():
    with running_mailbox() as box:
        assert mail(box).send(MESSAGE, severity="critical").accepted
    (got,) = box.messages
    assert got["subject"] == MESSAGE.subject
    assert got["to"] == "operator@example.org"
    text = got.get_body(("plain",)).get_content()
    html = got.get_body(("html",)).get_content()
    assert "broker <primary> does not answer" in text
    assert "alchemiser errors runbook broker-unreachable" in text
    assert "style=" not in text
    assert html.splitlines() == MESSAGE.html.splitlines()


def test_a_mail_server_that_asks_for_a_password_gets_it_and_refuses_a_wrong_one():
    with running_mailbox("desk", PASSWORD) as box:
        assert mail(box).send(MESSAGE, severity="high").accepted
        wrong = box.url.replace(PASSWORD, "wr0ng-w0rd")
        channel = AppriseChannel("mail", NotificationChannel(url=SecretStr(wrong)), 5.0)
        outcome = channel.send(MESSAGE, severity="high")
    assert (outcome.error, outcome.final) == ("the mail server answered 535", True)
    assert len(box.messages) == 1


@pytest.mark.parametrize(
    ("mood", "error", "final"),
    [
        ("refuses", "the mail server answered 550", True),
        ("greylists", "the mail server answered 451", False),
        ("drops", "Connection unexpectedly closed", False),
    ],
)
def test_what_a_mail_server_answers_tells_whether_to_try_again(mood, error, final):
    with running_mailbox() as box:
        box.mood = mood
        outcome = mail(box).send(MESSAGE, severity="high")
        assert error in outcome.error
        assert outcome.final is final
        box.mood = "takes"
        assert mail(box).send(MESSAGE, severity="high").accepted


def test_a_mail_server_that_hangs_costs_the_time_limit():
    with running_mailbox() as box:
        box.mood = "hangs"
        begun = time.monotonic()
        outcome = mail(box, timeout_s=0.4).send(MESSAGE, severity="high")
        took_s = time.monotonic() - begun
        box.released.set()
    assert not outcome.accepted
    assert not outcome.final
    assert took_s < 2


def test_no_mail_server_is_no_reason_to_give_up():
    with running_mailbox() as box:
        pass
    outcome = mail(box).send(MESSAGE, severity="high")
    assert "Connection refused" in outcome.error
    assert not outcome.final


def test_a_webhook_gets_json_with_credentials_headers_and_parameters(hook):
    url = f"{hook.url}?+X-Team=risk&-room=desk"
    assert web(hook, url=url).send(MESSAGE, severity="critical").accepted
    assert hook.taken == [
        {
            "version": "1.0",
            "title": MESSAGE.subject,
            "message": MESSAGE.text,
            "type": "failure",
            "severity": "critical",
        }
    ]
    assert hook.headers[0]["X-Team"] == "risk"
    assert hook.headers[0]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("status", "final"),
    [(400, True), (401, True), (404, True), (301, True), (408, False), (500, False), (503, False)],
)
def test_a_status_tells_whether_to_try_again(hook, status, final):
    hook.answer = Answer(status)
    outcome = web(hook).send(MESSAGE, severity="high")
    assert f"answered {status}" in outcome.error
    assert outcome.final is final


def test_429_is_tried_again_when_the_server_wants_it(hook):
    clock = ManualClock()
    hook.next.extend(
        [
            Answer(429, (("Retry-After", "90"),)),
            Answer(429, (("Retry-After", "Tue, 14 Nov 2023 22:15:20 GMT"),)),
            Answer(429, (("Retry-After", "soon"),)),
        ]
    )
    channel = web(hook, clock=clock)
    wishes = [channel.send(MESSAGE, severity="high").retry_after_s for _ in range(3)]
    assert wishes == [90.0, 120.0, None]
    assert channel.send(MESSAGE, severity="high").accepted


@pytest.mark.parametrize("how", ["hangs", "delays", "drops"])
def test_a_server_that_does_not_answer_costs_the_time_limit_at_most(hook, how):
    hook.answer = Answer(how=how, seconds=30)
    begun = time.monotonic()
    outcome = web(hook, timeout_s=0.4).send(MESSAGE, severity="high")
    assert time.monotonic() - begun < 2
    assert outcome.error
    assert not outcome.final


def test_an_answer_without_an_end_is_not_read(hook):
    hook.answer = Answer(how="endless")
    assert web(hook).send(MESSAGE, severity="high").accepted


def test_a_url_of_nothing_is_final():
    for url in ("nonsense://x", "mailto://"):
        channel = AppriseChannel("x", NotificationChannel(url=SecretStr(url)), 1.0)
        assert channel.send(MESSAGE, severity="high").final
    outcome = web(None, url="json://[broken").send(MESSAGE, severity="high")
    assert outcome.final


def test_a_service_of_short_messages_gets_the_subject_alone(hook):
    """The service is real Apprise; its limits are those of SMS."""
    import apprise
    from apprise import NotifyFormat

    from alchemiser_cli.notifications.channels import _fitted

    sms = apprise.Apprise.instantiate(f"twilio://AC{'a' * 32}:{'b' * 32}@+15551234567/+15557654321")
    slack = apprise.Apprise.instantiate(f"slack://T1JJ3T3L2/A1BRTD4JD/{'T' * 24}/#general")
    assert _fitted(MESSAGE, sms)["body"] == MESSAGE.subject
    assert _fitted(MESSAGE, slack)["body_format"] is NotifyFormat.TEXT
    assert _fitted(MESSAGE, slack)["body"] == MESSAGE.text


def test_channels_are_those_that_are_enabled_and_have_a_url(hook):
    made = {
        "mail": {"url": "mailto://a:b@example.org"},
        "hook": {"url": hook.url},
        "web": {"url": f"http://127.0.0.1:{hook.port}/own"},
        "slack": {"url": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/" + "T" * 24},
        "off": {"url": "json://x", "enabled": False},
        "none": {},
    }
    channels = channels_of(Settings(notifications=made))
    assert {name: type(one).__name__ for name, one in channels.items()} == {
        "mail": "AppriseChannel",
        "hook": "WebhookChannel",
        "web": "WebhookChannel",
        "slack": "AppriseChannel",
    }
    assert [one.name for one in channels.values()] == list(channels)
    assert channels["web"].send(MESSAGE, severity="high").accepted


@pytest.fixture
def all_logs():
    """What handlers of the whole process would write, at the lowest level."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_part_of_a_url_comes_out_in_an_outcome_or_a_log(hook, all_logs, capfd):
    hook.answer = Answer(401)
    url = f"127.0.0.1:{hook.port}/s3cret-t0ken?key=s3cret-key"
    outcomes = [
        web(hook, url=f"json://desk:{PASSWORD}@{url}").send(MESSAGE, severity="high"),
        web(hook, url=f"json://desk:{PASSWORD}@[{url}").send(MESSAGE, severity="high"),
    ]
    for scheme in ("ntfy", "form", "gotify", "xml", "mailto", "slack"):
        settings = NotificationChannel(url=SecretStr(f"{scheme}://desk:{PASSWORD}@{url}"))
        channel = AppriseChannel("x", settings, 1.0)
        outcomes.append(channel.send(render_test("x"), severity="high"))
    printed = capfd.readouterr()
    shown = f"{outcomes} {all_logs.getvalue()} {printed.out} {printed.err}"
    assert all(not one.accepted for one in outcomes)
    assert json.dumps(shown)
    for secret in (PASSWORD, "s3cret"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("text", "wish_s"),
    [("0", 0.0), ("7", 7.0), ("-1", None), ("", None), ("1e9", None), ("٣", None)],
)
def test_retry_after_is_seconds_or_a_date(text, wish_s):
    assert retry_after_s(text, 1_700_000_000 * NS_PER_SECOND) == wish_s


def test_a_date_that_is_over_asks_for_no_wait():
    over = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert retry_after_s(over, 1_700_000_000 * NS_PER_SECOND) == 0.0
