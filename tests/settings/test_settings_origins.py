"""Each value says where it was set: flag, variable, file and line, or default."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.settings.layers import _toml_lines
from alchemiser_cli.settings.resolve import inspect, resolve
from alchemiser_cli.settings.show import setting_rows


def _line(source):
    return int(source.rpartition(":")[2])


def test_each_layer_names_itself(ask):
    resolved = resolve(
        ask(
            'environment = "paper"\n',
            dotenv="# comment\nALCHEMISER_KAFKA__USERNAME=desk\n",
            environ={"ALCHEMISER_CONSUMER__GROUP": "desk"},
            flags=["logs.keep_files=9"],
        )
    )
    sources = {row.key: row.source for row in setting_rows(resolved)}
    assert sources["environment"] == "configs/desk.toml:1"
    assert sources["kafka.username"] == ".env:2"
    assert sources["consumer.group"] == "variable ALCHEMISER_CONSUMER__GROUP"
    assert sources["logs.keep_files"] == "flag --set logs.keep_files"
    assert sources["kafka.client_id"] == "default"


@pytest.mark.parametrize(
    ("profile", "key", "line"),
    [
        ('\n\nenvironment = "paper"\n', "environment", 3),
        ('[kafka]\n# remark\nclient_id = "x"\n', "kafka.client_id", 3),
        ("[ brokers . kite ]  # remark\nenabled = true\n", "brokers.kite.enabled", 2),
        ('kafka.username = "a"\nkafka.client_id = "x"\n', "kafka.client_id", 2),
        ('[kafka]\nmode = "embedded"\n[brokers]\nkite.enabled = true\n', "brokers.kite.enabled", 4),
        ('\nkafka = { username = "a", client_id = "x" }\n', "kafka.client_id", 2),
        ("[brokers]\n\nkite = { enabled = true }\n", "brokers.kite.enabled", 3),
        ('\n"environment" = "paper"\n', "environment", 2),
        ("[kafka]\n'client_id' = 'x'\n", "kafka.client_id", 2),
        ('[brokers."kite"]\nenabled = true\n', "brokers.kite.enabled", 2),
        ('\n\nbrokers."kite".enabled = true\n', "brokers.kite.enabled", 3),
        ('\n\n"brokers" . \'kite\' . "enabled" = true\n', "brokers.kite.enabled", 3),
        ('plugins = [\n  "a",\n]\nhome = "h"\n', "home", 4),
        ('plugins = [\n  "a",\n]\n', "plugins", 1),
        ('# a line separator \u2028 and a form feed\nhome = "h"\n', "home", 2),
        ('environment = "paper"\r\nhome = "h"\r\n', "home", 2),
        ('\ufeffenvironment = "paper"\nhome = "h"\n', "home", 2),
    ],
)
def test_a_profile_names_the_line_in_every_form_of_toml(profile, key, line, ask):
    rows = {row.key: row.source for row in setting_rows(resolve(ask(profile)))}
    assert rows[key] == f"configs/desk.toml:{line}"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", "# remark", "  "]), max_size=8), st.booleans())
def test_lines_before_a_key_move_it_down_one_each(before, in_table):
    table = ["[kafka]"] if in_table else []
    text = "\n".join([*before, *table, 'client_id = "x"'])
    path = ("kafka", "client_id") if in_table else ("client_id",)
    assert _toml_lines(text)[path] == len(before) + len(table) + 1


@pytest.mark.parametrize(
    ("dotenv", "line"),
    [
        ("ALCHEMISER_KAFKA__USERNAME=desk\n", 1),
        ("\n\nALCHEMISER_KAFKA__USERNAME=desk\n", 3),
        ("# remark\nexport ALCHEMISER_KAFKA__USERNAME=desk\n", 2),
        ("OTHER='two\nlines'\nALCHEMISER_KAFKA__USERNAME='desk'\n", 3),
        ('OTHER=1\r\n  ALCHEMISER_KAFKA__USERNAME = "desk"  # remark\r\n', 2),
        ("ALCHEMISER_KAFKA__USERNAME=old\nALCHEMISER_KAFKA__USERNAME=desk\n", 2),
        ("\ufeffALCHEMISER_KAFKA__USERNAME=desk\n", 1),
    ],
)
def test_a_dotenv_names_the_line_also_after_export(dotenv, line, ask):
    resolved = resolve(ask(dotenv=dotenv))
    assert resolved.settings.kafka.username == "desk"
    assert resolved.origin(("kafka", "username")) == f".env:{line}"


def test_a_json_object_in_a_strong_layer_is_the_origin_of_what_it_overrides(ask):
    resolved = resolve(
        ask('[kafka]\nmode = "embedded"\n', environ={"ALCHEMISER_KAFKA": '{"mode": "external"}'})
    )
    assert resolved.settings.kafka.mode == "external"
    assert resolved.origin(("kafka", "mode")) == "variable ALCHEMISER_KAFKA"


def test_a_weaker_layer_is_not_the_origin_of_its_neighbours(ask):
    resolved = resolve(ask('[kafka]\nmode = "external"\n'))
    assert resolved.origin(("kafka", "client_id")) == "default"


@pytest.mark.parametrize(
    ("profile", "key"),
    [
        ("\n[kafka]\nmoed = 1\n", "kafka.moed"),
        ("\n[kafak]\nmode = 1\n", "kafak"),
        ("\n\nkafak.mode = 1\n", "kafak"),
        ("\n\nkafka = 5\n", "kafka"),
        ("\n[logs.level]\nname = 1\n", "logs.level"),
        ("\n[brokers.kite]\napi_kye = 'x'\n", "brokers.kite.api_kye"),
        ("\n\nplugins = [1]\n", "plugins.0"),
    ],
)
def test_a_problem_says_where_it_stands_also_for_a_whole_section(profile, key, ask):
    problems = {problem.key: problem for problem in inspect(ask(profile)).problems}
    assert problems[key].origin == "configs/desk.toml:3"
