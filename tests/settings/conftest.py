"""Requests for settings, out of real files in the test's own folder."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from alchemiser_cli.settings.resolve import Request


@pytest.fixture
def ask():
    """Build a request from the text of a profile and a .env, variables and flags."""

    def build(profile=None, *, dotenv=None, environ=None, flags=(), home=None):
        named = None
        if profile is not None:
            Path("configs").mkdir(exist_ok=True)
            Path("configs/desk.toml").write_text(profile, encoding="utf-8")
            named = "desk"
        if dotenv is not None:
            Path(".env").write_text(dotenv, encoding="utf-8")
        return Request(profile=named, home=home, assignments=tuple(flags), environ=environ or {})

    return build


@pytest.fixture
def unprivileged(tmp_path):
    """Permissions count in the block: the super-user, whom none stops, becomes nobody."""

    @contextmanager
    def nobody():
        if os.geteuid() != 0:
            yield
            return
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.chown(path, 65534, 65534)
        opened = [folder for folder in tmp_path.parents if not folder.stat().st_mode & 0o011]
        for folder in opened:
            folder.chmod(folder.stat().st_mode | 0o011)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
            for folder in opened:
                folder.chmod(folder.stat().st_mode & ~0o011)

    return nobody
