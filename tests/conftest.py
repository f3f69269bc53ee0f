"""What every test shares: isolation from the machine, and proof that `provokes` marks are true."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from alchemiser_cli.errors import AlchemiserError, error_class

# A shared machine stalls now and then; how long an example takes is no property of ours.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch) -> Iterator[None]:
    """No ALCHEMISER_ variable, no .env, no configs/ and no home of this machine reach a test."""
    for name in [name for name in os.environ if name.startswith("ALCHEMISER_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    logging.getLogger("alchemiser").handlers = []


@pytest.fixture(autouse=True)
def provoked(request, monkeypatch) -> Iterator[set[str]]:
    """Record every coded error that comes into being, and hold `provokes` marks to it.

    A test that runs the command line in another process proves its codes itself, from the
    output, by adding them to this set.
    """
    seen: set[str] = set()
    make = AlchemiserError.__init__

    def recording(error, *args, **keywords):
        seen.add(getattr(type(error), "code", ""))
        make(error, *args, **keywords)

    monkeypatch.setattr(AlchemiserError, "__init__", recording)
    yield seen
    for mark in request.node.iter_markers("provokes"):
        for code in mark.args:
            assert error_class(code) is not None, f"no error has the code {code!r}"
            assert code in seen, f"the test never made {code!r} happen"
