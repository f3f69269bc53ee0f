"""Fault points of plugins: known by their hook, and broken like those of the core."""

import sys

import pytest

from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.errors import PluginRejectedError
from alchemiser_cli.faults import FaultKind, fault_point, registry
from alchemiser_cli.hooks import plugin_fault_points
from alchemiser_cli.settings import Settings

SOURCE = """
from alchemiser_cli.faults import FaultKind, FaultTarget, declare
from alchemiser_cli.hooks import hookimpl

DESK = FaultTarget(name={name!r}, summary="the desk's own place", kinds=(FaultKind.HANG,))

@hookimpl
def alchemiser_fault_points(settings):
    return {answer}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with the plugin ``desk``; its points are gone afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_POINTS", dict(registry._POINTS))

    def make(name="desk.order", answer="[DESK]"):
        module = "alchemiser_plugin_of_the_desk"
        (tmp_path / f"{module}.py").write_text(SOURCE.format(name=name, answer=answer))
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[alchemiser.plugins]\ndesk = {module}\n")
        return Settings(plugins=("desk",))

    yield make
    sys.modules.pop("alchemiser_plugin_of_the_desk", None)


def test_a_plugin_adds_its_points_and_they_can_be_asked_for(install):
    settings = install()
    (target,) = plugin_fault_points(settings)
    assert fault_point("desk.order").target == target
    assert asked("desk.order", "hang").kind is FaultKind.HANG
    assert plugin_fault_points(settings) == [target]  # again is no harm


@pytest.mark.provokes("plugin-rejected")
@pytest.mark.parametrize(
    ("name", "answer"), [("registry.get", "[DESK]"), ("desk.order", "['desk.order']")]
)
def test_a_point_of_the_core_cannot_be_taken_nor_anything_else_be_named(install, name, answer):
    with pytest.raises(PluginRejectedError, match="fault points"):
        plugin_fault_points(install(name, answer))
