"""Unknown keys, wrong types and malformed flags: each named, all at once, with its mend."""

import pytest

from alchemiser_cli.errors import (
    ConfigurationError,
    SettingInvalidError,
    SettingUnknownError,
    UsageError,
)
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings.resolve import inspect, resolve


def _only(request):
    (problem,) = inspect(request).problems
    return problem


@pytest.mark.parametrize(
    ("profile", "key", "suggestion"),
    [
        ('enviroment = "paper"', "enviroment", "environment"),
        ("[kafak]\nmode = 'embedded'", "kafak", "kafka"),
        ("[kafka]\nboostrap = 'a:1'", "kafka.boostrap", "kafka.bootstrap"),
        ("[kafka]\nclientid = 'a'", "kafka.clientid", "kafka.client_id"),
        ("[brokers.kite]\napi_kye = 'x'", "brokers.kite.api_kye", "brokers.kite.api_key"),
        ("[strategies.trend]\nmodle = 'x'", "strategies.trend.modle", "strategies.trend.model"),
        (
            "[notifications.pager]\nseverity = ['low']",
            "notifications.pager.severity",
            "notifications.pager.severities",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(profile, key, suggestion, ask):
    problem = _only(ask(profile))
    assert (problem.code, problem.key) == ("setting-unknown", key)
    assert problem.message == f"{key} is not a setting"
    assert problem.next_step == f"Did you mean {suggestion}?"


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("ALCHEMISER_KAFKA__CLIENTID", "kafka.client_id"),
        ("ALCHEMISER_KAFAK__CLIENT_ID", "kafka"),
        ("ALCHEMISER_BROKERS__KITE__API_KYE", "brokers.kite.api_key"),
        ("ALCHEMISER_HOMES", "home"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(variable, suggestion, ask):
    for request in (ask(environ={variable: "x"}), ask(dotenv=f"{variable}=x\n")):
        problem = _only(request)
        assert problem.code == "setting-unknown"
        assert problem.next_step == f"Did you mean {suggestion}?"
        assert problem.origin in (f"variable {variable}", ".env:1")


def test_an_unknown_flag_is_refused_with_the_nearest_name(ask):
    problem = _only(ask(flags=["topics.tick=x"]))
    assert problem.next_step == "Did you mean topics.ticks?"
    assert problem.origin == "flag --set topics.tick"


def test_a_key_near_to_nothing_gets_the_list_of_names(ask):
    problem = _only(ask("[signing]\nzzzz = 1"))
    assert problem.next_step == "Valid names here: key."


@pytest.mark.parametrize("name", ["PATH", "ALCHEMIST_X", "alchemiser_kafka__mode", "HOME"])
def test_variables_of_others_do_not_matter(name, ask):
    assert inspect(ask(environ={name: "x"})).problems == []


@pytest.mark.parametrize(
    ("profile", "key"),
    [
        ("environment = 'test'", "environment"),
        ("[logs]\nlevel = 'loud'", "logs.level"),
        ("[logs]\nmax_megabytes = 0", "logs.max_megabytes"),
        ("[logs]\nkeep_files = 'many'", "logs.keep_files"),
        ("[logs]\nkeep_files = 1.5", "logs.keep_files"),
        ("[kafka]\nclient_id = 1", "kafka.client_id"),
        ("[kafka]\nclient_id = ''", "kafka.client_id"),
        ("[kafka]\nrequest_timeout_s = 0", "kafka.request_timeout_s"),
        ("[kafka]\nembedded_brokers = 10", "kafka.embedded_brokers"),
        ("[topics]\nticks = 'market ticks'", "topics.ticks"),
        ("[topics]\npartitions = []", "topics.partitions"),
        ("[consumer]\nbatch_size = 10001", "consumer.batch_size"),
        ("[brokers.kite]\nenabled = 'perhaps'", "brokers.kite.enabled"),
        ("[notifications.pager]\nseverities = ['fatal']", "notifications.pager.severities.0"),
        ("kafka = 'embedded'", "kafka"),
        ("brokers = 'kite'", "brokers"),
        ("plugins = [1]", "plugins.0"),
    ],
)
def test_a_wrong_type_or_range_is_refused(profile, key, ask):
    problem = _only(ask(profile))
    assert (problem.code, problem.key) == ("setting-invalid", key)
    assert problem.message
    assert problem.next_step == "`alchemiser config schema` shows its type."


@pytest.mark.parametrize("environ", [{"ALCHEMISER_HOME": "[1]"}, {"ALCHEMISER_HOME__DIR": "x"}])
def test_a_home_that_is_no_path_is_a_problem_and_not_a_crash(environ, ask):
    assert _only(ask(environ=environ)).code == "setting-invalid"


def test_all_problems_of_all_layers_are_named_at_once(ask):
    found = inspect(
        ask(
            "[kafka]\nmoed = 1\nbootstrap = 'nowhere'\n[logs]\nlevel = 'loud'\n",
            dotenv="ALCHEMISER_TOPICS__PARTITIONS=none\n",
            environ={"ALCHEMISER_STATE__URL": "mysql://host/name"},
            flags=["consumer.batch=5"],
        )
    )
    assert found.resolved is None
    assert {(problem.key, problem.code, problem.origin) for problem in found.problems} == {
        ("kafka.moed", "setting-unknown", "configs/desk.toml:2"),
        ("kafka.bootstrap", "bootstrap-malformed", "configs/desk.toml:3"),
        ("logs.level", "setting-invalid", "configs/desk.toml:5"),
        ("topics.partitions", "setting-invalid", ".env:1"),
        ("state.url", "url-malformed", "variable ALCHEMISER_STATE__URL"),
        ("consumer.batch", "setting-unknown", "flag --set consumer.batch"),
    }


@pytest.mark.provokes("setting-unknown")
def test_resolving_an_unknown_key_raises_with_its_place_and_its_mend(ask):
    with pytest.raises(SettingUnknownError) as caught:
        resolve(ask("[kafka]\nmoed = 1\n"))
    assert caught.value.why == "kafka.moed is not a setting (configs/desk.toml:2)"
    assert caught.value.next_step == "Did you mean kafka.mode?"
    assert caught.value.exit_code is ExitCode.CONFIG


@pytest.mark.provokes("setting-invalid")
def test_resolving_a_wrong_type_raises(ask):
    with pytest.raises(SettingInvalidError, match=r"the setting logs\.keep_files cannot be used$"):
        resolve(ask("[logs]\nkeep_files = 'many'\n"))


def test_the_first_problem_counts_the_others(ask):
    with pytest.raises(
        ConfigurationError, match=r"and 2 more: `alchemiser config check`"
    ) as caught:
        resolve(ask("[logs]\nkeep_files = 'many'\nlevel = 1\nmax_megabytes = -1\n"))
    assert caught.value.context["problems"] == 3


@pytest.mark.provokes("usage")
@pytest.mark.parametrize("flag", ["", "kafka.mode", "=x", "kafka.=x", ".mode=x", "kafka..mode=x"])
def test_a_malformed_flag_is_a_usage_error(flag, ask):
    with pytest.raises(UsageError) as caught:
        inspect(ask(flags=[flag]))
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_value_may_hold_an_equals_sign_and_spaces(ask):
    assert resolve(ask(flags=["kafka.client_id=a=b c "])).settings.kafka.client_id == "a=b c "
