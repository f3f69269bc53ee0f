"""Plugins: only those that the settings allow are imported, and a broken one is told."""

import sys

import pytest

from alchemiser_cli.checks import run_checks
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import PluginRejectedError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.hooks import load_plugins, plugin_checks
from alchemiser_cli.settings import Settings

GOOD = """
from alchemiser_cli.checks import Check
from alchemiser_cli.hooks import hookimpl

@hookimpl
def alchemiser_checks(settings):
    run = lambda: f"group {settings.consumer.group}"
    return [Check("desk is staffed", "desk", "internal-error", run)]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a real distribution with one plugin: its module, its metadata, its entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules = []

    def make(name, source, target=None):
        module = f"alchemiser_plugin_{name}"
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[alchemiser.plugins]\n{name} = {target or module}\n"
        )
        modules.append(module)
        return module

    yield make
    for module in modules:
        sys.modules.pop(module, None)


def test_an_allowed_plugin_adds_its_checks(install):
    install("desk", GOOD)
    (check,) = plugin_checks(Settings(plugins=("desk",), consumer={"group": "night"}))
    assert (check.name, check.category) == ("desk is staffed", "desk")
    (result,) = run_checks([check], ManualClock())
    assert (result.result, result.detail) == ("success", "group night")


def test_a_plugin_that_is_not_allowed_is_never_imported(install):
    module = install("stranger", "raise RuntimeError('imported')")
    install("desk", GOOD)
    assert len(plugin_checks(Settings(plugins=("desk",)))) == 1
    assert plugin_checks(Settings()) == []
    assert module not in sys.modules


def test_checks_of_several_plugins_come_in_the_order_of_the_list(install):
    for name in ("one", "two"):
        install(name, GOOD.replace("desk is staffed", name))
    for order in (("one", "two"), ("two", "one")):
        assert [check.name for check in plugin_checks(Settings(plugins=order))] == list(order)


@pytest.mark.provokes("plugin-rejected")
def test_an_allowed_plugin_that_is_not_installed_is_told(install):
    install("desk", GOOD)
    with pytest.raises(PluginRejectedError) as caught:
        load_plugins(["desk", "night"])
    assert "'night' is not installed" in caught.value.what
    assert "desk" in caught.value.why
    assert caught.value.context == {"plugin": "night"}
    assert caught.value.exit_code is ExitCode.CONFIG


BROKEN = {
    "does not parse": "def",
    "raises when imported": "raise RuntimeError('no desk')",
    "imports what is missing": "import alchemiser_no_such_module",
    "exits when imported": "raise SystemExit(0)",
    "implements an unknown hook": (
        "from alchemiser_cli.hooks import hookimpl\n@hookimpl\ndef alchemiser_chekcs(): ...\n"
    ),
    "asks for what the hook does not offer": (
        "from alchemiser_cli.hooks import hookimpl\n"
        "@hookimpl\ndef alchemiser_checks(database): ...\n"
    ),
}


@pytest.mark.provokes("plugin-rejected")
@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_is_rejected_that(fault, install):
    install("desk", BROKEN[fault])
    with pytest.raises(PluginRejectedError, match=r"'desk' cannot be loaded") as caught:
        load_plugins(["desk"])
    assert caught.value.__cause__ is not None


@pytest.mark.provokes("plugin-rejected")
def test_a_plugin_whose_entry_point_leads_nowhere_is_rejected(install):
    install("desk", GOOD, target="alchemiser_plugin_desk:missing")
    with pytest.raises(PluginRejectedError):
        load_plugins(["desk"])


@pytest.mark.provokes("plugin-rejected")
@pytest.mark.parametrize("answer", ["1 / 0", "['not a check']", "5"])
def test_a_plugin_that_cannot_name_its_checks_is_rejected_by_name(answer, install):
    install("desk", GOOD)
    install("night", GOOD.replace("return [Check(", f"return {answer}\n    return [Check("))
    with pytest.raises(PluginRejectedError, match=r"'night' cannot name its checks"):
        plugin_checks(Settings(plugins=("desk", "night")))


def test_a_plugin_without_checks_adds_none(install):
    install("quiet", "")
    install("none", GOOD.replace("return [Check(", "return None\n    return [Check("))
    assert plugin_checks(Settings(plugins=("quiet", "none"))) == []
