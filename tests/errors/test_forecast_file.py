"""A file of events is replayed, and a bad line of it is named."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from alchemiser_cli.commands import bench
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.errors import (
    DatasetColumnsError,
    DatasetNotFoundError,
    DatasetTimeError,
    DatasetUnreadableError,
    DatasetValueError,
)
from alchemiser_cli.errors.forecast import score_file

START = 28_000_800  # a minute, 00:00 UTC


@pytest.fixture
def written(tmp_path):
    def write(lines, header="time,code"):
        file = tmp_path / "events.csv"
        file.write_text("\n".join([header, *lines]) + "\n")
        return file

    return write


def test_every_way_to_write_a_time_is_the_same_minute(written):
    second = START * 60
    times = ["2023-03-29T00:00:59Z", "2023-03-29 00:00", "2023-03-29T02:00:30+02:00", "2023-03-29"]
    times += [f"{second}", f"{second}.5", f"{second}000", f"{second}000000", f"{second}000000000"]
    assert np.datetime64(second, "s") == np.datetime64("2023-03-29T00:00")
    score = score_file(written(f"{time},disk-full" for time in times))
    assert (score.rows, score.since_minute, score.until_minute) == (9, START, START + 1)
    assert score.codes[0].events == 1


def test_rows_in_any_order_and_more_columns_are_taken(written):
    lines = [f"x,{code},{(START + minute) * 60}" for minute in (900, 3, 500) for code in "ab"]
    score = score_file(written([*lines, ""], header="note,Code,TIME"))
    assert (score.rows, score.windows) == (6, 14)
    assert [(one.code, one.events, one.abstained) for one in score.codes] == [
        ("a", 3, "too few events"),
        ("b", 3, "too few events"),
    ]
    assert score.pooled is None


@pytest.mark.provokes("dataset-time")
@pytest.mark.parametrize("time", ["yesterday", "", "12", "1e9", "nan", "9" * 40, "2023-02-30"])
def test_a_time_that_cannot_be_read_is_named_by_its_line(written, time):
    file = written([f"{START * 60},a", f"{time},a"])
    with pytest.raises(DatasetTimeError, match=r"events\.csv, line 3"):
        score_file(file)


@pytest.mark.provokes("dataset-value")
@pytest.mark.parametrize("row", ["{},", "{}", "{},  ", "{}," + "c" * 129])
def test_a_row_without_a_code_is_named_by_its_line(written, row):
    with pytest.raises(DatasetValueError, match="line 2"):
        score_file(written([row.format(START * 60)]))


@pytest.mark.provokes("dataset-columns")
@pytest.mark.parametrize("header", ["time,name", "time,code,Code", ""])
def test_the_columns_are_named_once(written, header):
    with pytest.raises(DatasetColumnsError, match="one column time and one column code"):
        score_file(written([], header=header))


@pytest.mark.provokes("dataset-unreadable")
def test_a_file_without_rows_or_without_text_is_refused(written, tmp_path):
    with pytest.raises(DatasetUnreadableError):
        score_file(written([]))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"time,code\n\xff\xfe\x00,a\n")
    with pytest.raises(DatasetUnreadableError):
        score_file(binary)


@pytest.mark.provokes("dataset-not-found")
def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetNotFoundError):
        score_file(tmp_path / "nothing.csv")


@pytest.fixture
def events(written):
    """A daily failure, and one without any pattern, over 50 days."""
    random = np.random.default_rng(9)
    daily = START + np.arange(50) * 1_440 + 9 * 60 + random.integers(60, size=50)
    loose = START + random.integers(50 * 1_440, size=200)
    times = [(int(time), "market-closed") for time in daily]
    times += [(int(time), "disk-full") for time in np.unique(loose)]
    return written([f"{time * 60},{code}" for time, code in times])


@pytest.mark.parametrize("form", ["plain", "json"])
def test_the_command_shows_each_code_and_all_together(events, form, file_regression):
    done = CliRunner().invoke(bench.app, ["forecast", str(events), "-o", form], obj=Invocation({}))
    assert done.exit_code == 0, done.exception
    if form == "plain":
        file_regression.check(done.stdout)
        return
    document = json.loads(done.stdout)
    verdicts = {one["code"]: one["abstained"] for one in document["codes"]}
    assert verdicts == {"market-closed": None, "disk-full": "no skill"}
    assert document["pooled"]["scores"]["origins"] > 800
    assert document["codes"][0]["why"].startswith("no skill over its base rate; the base rate is")
