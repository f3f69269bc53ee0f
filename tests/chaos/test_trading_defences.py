"""A defence that is switched off makes its experiment fail, and the verdict names it."""

from trading_experiments import conduct

from alchemiser_cli.errors import AuditLostError
from alchemiser_cli.errors.journal.spill import Spill
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.desk import opening
from alchemiser_cli.trading.kill_switch import KillSwitch

MESSAGES = ("detected", "told")  # the engine waits for them as long as they may take


def accused(journal):
    assert not journal.passed
    return journal.verdict.accused


def test_a_trail_whose_loss_stops_nobody_is_accused(tmp_path, monkeypatch):
    append = AuditTrail.append

    def careless(trail, entry):
        try:
            return append(trail, entry)
        except AuditLostError:
            return ""

    monkeypatch.setattr(AuditTrail, "append", careless)
    monkeypatch.setattr(opening, "_halt", lambda _switch, _error: None)
    assert "fail-closed trail" in accused(conduct("disk-full-audit", tmp_path, unasked=MESSAGES))


def test_a_kill_switch_that_nobody_reads_is_accused(tmp_path, monkeypatch):
    monkeypatch.setattr(KillSwitch, "active", property(lambda _switch: False))
    assert "kill switch" in accused(conduct("kill-switch", tmp_path))


def test_a_limit_of_freshness_that_lets_everything_pass_is_accused(tmp_path):
    changed = {"risk.max_data_age_s": 1e6}
    journal = conduct("clock-jump", tmp_path, unasked=MESSAGES, **changed)
    assert "freshness limit" in accused(journal)


def test_an_outbox_that_tries_once_is_accused(tmp_path):
    journal = conduct("channel-down", tmp_path, **{"alerts.attempts": 1})
    assert "outbox" in accused(journal)


def test_a_journal_without_a_spill_file_is_accused(tmp_path, monkeypatch):
    monkeypatch.setattr(Spill, "append", lambda _spill, _captures, **_how: False)
    assert "spill file" in accused(conduct("database-locked", tmp_path, unasked=MESSAGES))
