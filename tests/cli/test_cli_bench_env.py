"""``bench env``: the environments side by side, with the ratios between them."""

import json
import re

from alchemiser_cli.exits import ExitCode

LINE = ("bench", "env", "--rounds", "1", "--steps", "10", "--count", "4")


def test_the_ratios_are_shown_beside_the_speeds(cli, file_regression):
    result = cli(*LINE)
    assert result.exit_code == ExitCode.OK, result.stderr
    masked = re.sub(r" +[\d,]+ +[\d.]+$", "  <rate>  <ratio>", result.stdout, flags=re.MULTILINE)
    file_regression.check(re.sub(r"environment +", "environment  ", masked))


def test_the_json_has_the_ratios(cli):
    result = cli(*LINE, "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    found = json.loads(result.stdout)
    assert (found["schema_version"], found["rounds"], found["environments"]) == (1, 1, 4)
    for name in ("ordinary_per_s", "single_per_s", "vectorised_per_s"):
        assert found[name] > 0
    for name in ("single_ratio", "vectorised_ratio"):
        assert found[name] > 0
