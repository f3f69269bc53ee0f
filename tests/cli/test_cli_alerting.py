"""A long command tells people while it works, by the courier beside it, over a real mail server."""

import time

import pytest

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.errors import OrderOutcomeUnknownError
from alchemiser_cli.telemetry import SILENT
from alchemiser_cli.testing.mailbox import running_mailbox

ENOUGH_S = 20.0


@pytest.fixture
def mailbox():
    with running_mailbox() as box:
        yield box


@pytest.fixture
def trading(home, mailbox):
    """The run of a command that trades, with one channel: that mailbox."""
    with Invocation({}) as invocation:
        invocation.configure(
            command="trade",
            profile=None,
            home=home,
            assignments=(f"notifications.email.url={mailbox.url}", f"shm.directory={home}"),
            quiet=True,
            verbose=False,
        )
        invocation.start_logs()
        yield invocation


def lost(order):
    return OrderOutcomeUnknownError(
        f"nobody knows what became of order {order}", why="No answer.", next_step="Look."
    )


def test_a_critical_of_a_command_is_mailed_while_it_works(trading, mailbox):
    with trading.alerting(SILENT):
        trading.journal.capture(lost("A-1"))
        deadline = time.monotonic() + ENOUGH_S
        while not mailbox.messages and time.monotonic() < deadline:
            time.sleep(0.05)  # allow no-bare-sleep: polls with a deadline
        (mail,) = mailbox.messages
    assert mail["subject"].startswith("[CRITICAL] order-outcome-unknown: nobody knows")
    text = mail.get_body(("plain", "html")).get_content()
    assert "alchemiser errors runbook order-outcome-unknown" in text


def test_what_ends_a_command_is_mailed_before_it_is_gone(trading, mailbox):
    with trading.alerting(SILENT):
        trading.journal.capture(lost("A-2"))
    assert [one["subject"][:10] for one in mailbox.messages] == ["[CRITICAL]"]
