"""What people read: one line of subject, text and HTML, with every fact and no secret."""

import html.parser
from dataclasses import dataclass, field

import pytest
from test_ledger import message

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.bodies import clean, render, render_digest, render_test

AT = 1_700_000_000 * NS_PER_SECOND


@dataclass
class AnIncident:
    alert: Alert
    severity: str = "critical"
    kind: str = "error"
    code: str = "broker-unreachable"
    component: str = "trading"
    injected: bool = False
    id: str = "3f2a9c0d11e84a5f9c0d11e84a5f3f2a"  # pragma: allowlist secret
    count: int = 1_234
    opened_ns: int = AT
    last_ns: int = AT + 65 * NS_PER_SECOND
    resolved_ns: int | None = None
    extra: dict = field(default_factory=dict)


USER = "desk:hunter22"


def incident(**changes):
    alert = {
        "fingerprint": "f",
        "kind": "error",
        "severity": "critical",
        "code": "broker-unreachable",
        "component": "trading",
        "what": "broker <primary> does not answer",
        "why": f"connect to postgresql://{USER}@db:5432/state timed out",
        "next_step": "Check the network & the broker's status page.",
        "at_ns": AT,
        "links": {"dashboard": "https://example.org/d?x=1&y=2"},
    }
    given = {key: changes.pop(key) for key in list(changes) if key in ("what", "why", "links")}
    return AnIncident(alert=Alert(**(alert | given)), **changes)


KINDS = {
    "alert": {"incidents": [incident()], "kind": "alert"},
    "resolved": {
        "incidents": [incident(resolved_ns=AT + 600 * NS_PER_SECOND)],
        "kind": "resolved",
    },
    "group": {
        "incidents": [incident(severity="high"), incident(code="disk-full", what="no space")],
        "kind": "alert",
        "notes": ["It was over before, and came back."],
        "links": {"acknowledge": "https://desk.example.org/ack/T0KEN"},
    },
    "drill": {"incidents": [incident(kind="drill")], "kind": "escalation"},
}


@pytest.mark.parametrize("name", KINDS)
def test_texts_are_as_they_were(name, file_regression):
    made = render(**KINDS[name])
    file_regression.check(made.text, basename=f"body_{name}", extension=".txt")


def test_the_html_is_as_it_was(file_regression):
    file_regression.check(render(**KINDS["group"]).html, basename="body_group", extension=".html")


@pytest.mark.parametrize(
    ("kind", "changes", "subject"),
    [
        ("alert", {}, "[CRITICAL] broker-unreachable: broker <primary> does not answer"),
        ("repeat", {}, "[CRITICAL] still open: broker-unreachable: broker <primary> does not"),
        ("escalation", {"severity": "high"}, "[HIGH] escalated: broker-unreachable: broker"),
        ("resolved", {}, "[RESOLVED] broker-unreachable: broker <primary> does not answer"),
        ("alert", {"kind": "drill"}, "[DRILL] [CRITICAL] broker-unreachable: broker"),
        ("resolved", {"injected": True}, "[DRILL] [RESOLVED] broker-unreachable: broker"),
    ],
)
def test_a_subject_tells_severity_kind_code_and_what(kind, changes, subject):
    assert render([incident(**changes)], kind).subject.startswith(subject)


def test_several_incidents_are_one_subject():
    several = [incident(), incident(code="disk-full"), incident(code="disk-full")]
    wanted = "[CRITICAL] 3 incidents of trading: broker-unreachable, disk-full"
    assert render(several).subject == wanted


def test_a_subject_is_one_line_whatever_comes_from_outside():
    hostile = "x\r\nBcc: all@example.org\n\x1b[31m\u202egnp.exe\u2028" + "y" * 500
    made = render([incident(what=hostile, code="a\nb")])
    assert len(made.subject) <= 150
    assert made.subject.isprintable()
    assert "Bcc:" not in made.text.splitlines()


def test_html_from_outside_is_shown_and_not_done():
    made = render([incident(what='<script>alert(1)</script><img src=x onerror="y">')])
    assert "<script" not in made.html
    assert "<img" not in made.html
    assert "&lt;script&gt;" in made.html


def test_only_web_addresses_are_followed():
    made = render([incident(links={"a": "javascript:alert(1)", "b": 'https://x/"><b>'})])
    assert 'href="javascript' not in made.html
    assert 'href="https://x/&quot;&gt;&lt;b&gt;"' in made.html


def test_secrets_are_masked_in_all_parts():
    made = render([incident(what="login at amqp://u:hunter22@host failed")])
    assert "hunter22" not in f"{made.subject}{made.text}{made.html}"
    assert "**********@" in made.text


def test_html_is_well_formed():
    open_tags = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag != "meta":
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    for made in (render(**KINDS["group"]), render_test("mail")):
        Parser().feed(made.html)
        assert open_tags == []


def test_many_incidents_are_listed_up_to_a_length_and_the_rest_is_counted():
    made = render([incident(severity="high", code=f"c{n}") for n in range(60)])
    assert "60 incidents that may have one cause." in made.text
    assert "35 more are not listed" in made.text
    assert len(made.html) < 100_000


def test_a_digest_counts_everything_also_what_it_does_not_list():
    clock = ManualClock()
    held = [message(str(n), clock, subject=f"[HIGH] s{n % 70}") for n in range(210)]
    made = render_digest(held)
    assert made.subject == "[DIGEST] 210 messages held back: broker-unreachable x 210"
    assert "60 x:" in made.text


def test_a_digest_tells_who_silenced_what():
    held = message("a", ManualClock(), subject="[HIGH] x: y", error="silenced by ann: upgrade")
    assert "1 x:     [HIGH] x: y (silenced by ann: upgrade)" in render_digest([held]).text


def test_a_test_says_that_nothing_is_wrong():
    made = render_test("mail")
    assert made.subject == "[TEST] alchemiser reaches you through mail"
    assert "Nothing is wrong" in made.text


def test_long_texts_are_shortened():
    assert clean("x" * 10_000).endswith("...")
    assert len(clean("x" * 10_000)) == 2_000
