"""Escalation files that cannot be used, and what they are told."""

import pytest

from alchemiser_cli.errors import EscalationMalformedError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.notifications.policies import FILE, Policies, read_policies

STEPS = 'steps = [{ after_s = 0, channels = ["email"] }]'
LAST = f'[[policy]]\nname = "last"\n{STEPS}\n'


def policy(line="", *, name="one", steps=STEPS):
    return f'[[policy]]\nname = "{name}"\n{steps}\n{line}\n'


@pytest.fixture
def refused(tmp_path):
    def refuse(text):
        file = tmp_path / FILE
        file.write_text(text)
        with pytest.raises(EscalationMalformedError) as caught:
            read_policies(file)
        error = caught.value
        assert str(file) in error.what
        assert error.exit_code is ExitCode.CONFIG
        assert error.why.endswith(".")
        assert error.next_step[-1] in ".?"
        return f"{error.why} {error.next_step}"

    return refuse


@pytest.mark.provokes("escalation-malformed")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[policy]\n", "line 1"),
        ("", "policy"),
        ("policy = []", "length >= 1"),
        ("policy = 3", "array"),
        ("policy = [3]", "object"),
        ("polices = 3", "Did you mean policy?"),
        (policy("macth = {}"), "Did you mean match?"),
        (policy('match = { severty = "high" }'), "Did you mean severity?"),
        (policy(steps='steps = [{ after = 3, channels = ["a"] }]'), "Did you mean after_s?"),
        (policy('match = { severity = "grave" }'), "grave"),
        (policy('match = "high"'), "match"),
        (policy("match = { code = [1] }"), "code"),
        (policy("repeat_s = 0"), "repeat_s"),
        (policy("repeat_s = nan"), "repeat_s"),
        (policy("max_repeats = -1"), "max_repeats"),
        (policy(steps="steps = []"), "steps"),
        (policy(steps="steps = [3]"), "steps"),
        (policy(steps="steps = [{ after_s = 0, channels = [] }]"), "channels"),
        (policy(steps='steps = [{ after_s = 0, channels = ["E mail"] }]'), "channels"),
        (policy(steps='steps = [{ after_s = -1, channels = ["a"] }]'), "after_s"),
        (policy(steps='steps = [{ after_s = inf, channels = ["a"] }]'), "after_s"),
        (policy(steps='steps = [{ after_s = nan, channels = ["a"] }]'), "after_s"),
        (
            policy(
                steps='steps = [{ after_s = 9, channels = ["a"] }, '
                '{ after_s = 9, channels = ["a"] }]'
            ),
            "one after another",
        ),
        (policy(name="One"), "name"),
        (policy('match = { code = "a*b" }') + LAST, "not at its end"),
        (policy('match = { code = "*" }') + LAST, "leave code out"),
        (policy('match = { code = "" }') + LAST, "empty name"),
        (policy('match = { code = "a" }', name="last") + LAST, "two policies are called last"),
        (policy() + LAST, "none after it is ever used"),
        (policy('match = { code = "a" }'), "last policy has a match"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_correct(refused, text, said):
    assert said.lower() in refused(text).lower()


def test_bytes_that_are_no_text_are_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EscalationMalformedError):
        read_policies(tmp_path / FILE)


def test_a_malformed_file_is_not_passed_over_for_the_next(tmp_path):
    """The operator's own file counts; silently taking another would page the wrong people."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / FILE).write_text("policy = 3")
    with pytest.raises(EscalationMalformedError):
        Policies.load(tmp_path)
