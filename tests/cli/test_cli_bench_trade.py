"""``bench trade``: the chain's figures beside bare work, and a history that goes through it."""

import json
import re

from alchemiser_cli.exits import ExitCode

LINE = ("bench", "trade", "--rounds", "1")


def test_the_figures_and_the_history_are_shown(cli, file_regression):
    result = cli(*LINE, "--rows", "40")
    assert result.exit_code == ExitCode.OK, result.stderr
    masked = re.sub(r" +[\d,]+\.\d+( |$)", r"  <number>\1", result.stdout, flags=re.MULTILINE)
    masked = re.sub(r"(quotes a second) +[\d,]+", r"\1  <number>", masked)
    file_regression.check(re.sub(r"(figure|<number>) +(\S)", r"\1  \2", masked))


def test_the_json_has_the_chain_alone_where_no_history_is_wanted(cli):
    result = cli(*LINE, "--rows", "0", "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    found = json.loads(result.stdout)
    assert (found["schema_version"], found["history"]) == (1, None)
    assert found["chain"]["rounds"] == 1
    for name in ("validated_us", "validated_p99_us", "decision_us", "append_us", "switch_us"):
        assert found["chain"][name] > 0
