"""``bench errors``: what error handling costs with chaos off and on."""

import json

from alchemiser_cli.chaos.measure import ErrorHandlingCost, PointCost
from alchemiser_cli.errors.journal.measure import CaptureCost
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.faults import fault_point
from alchemiser_cli.render.bench_errors import error_handling_view


def test_the_json_sets_chaos_off_beside_on(cli):
    result = cli("bench", "errors", "--rounds", "100", "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    found = json.loads(result.stdout)
    assert found["schema_version"] == 1
    assert found["rounds"] == found["chaos_on"]["rounds"] == 100
    assert found["dropped"] == found["chaos_on"]["dropped"] == 0
    points = found["points"]
    assert points["off_ns"] < points["armed_ns"]
    assert points["strike_us"] > 0
    assert fault_point("state.write").armed is None


def test_the_table_sets_each_figure_off_and_on_in_one_row():
    off, on = (
        CaptureCost(
            rounds=100,
            capture_us=base + 1,
            capture_p99_us=base + 2,
            critical_us=base + 3,
            logging_us=base + 4,
            dropped=1,
        )
        for base in (10, 20)
    )
    points = PointCost(
        off_ns=13, armed_ns=900, strike_us=8, raise_us=4, guarded_us=2, guarded_armed_us=3
    )
    table, dropped = error_handling_view(ErrorHandlingCost(points=points, off=off, on=on)).blocks
    assert ("capture, median", "11.0 µs", "21.0 µs") in table.rows
    assert ("fault point that does not strike", "13.0 ns", "900.0 ns") in table.rows
    assert ("error: by hand, injected", "4.0 µs", "8.0 µs") in table.rows
    assert dropped.rows == [("dropped", "2")]
