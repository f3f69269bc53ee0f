"""The start-up benchmark measures what it says."""

import json
import runpy
import subprocess
import sys

import pytest


@pytest.fixture
def folder(pytestconfig):
    return pytestconfig.rootpath / "benchmarks"


@pytest.fixture
def benchmark(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    return runpy.run_path(str(folder / "startup.py"))


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_ratio_sees_that_one_command_does_more(benchmark):
    work = python("sum(range(20_000_000))")
    figure = benchmark["measure_ratio"]("work", work, python(""), target=1.0, rounds=3)
    assert figure.value > 1.5
    assert not figure.met


def test_peak_memory_is_that_of_the_command(pytestconfig, folder):
    # In a process of its own: a child begins with the peak of the process that forked it, and
    # that of these tests is large.
    script = (
        f"import runpy, sys; sys.path.insert(0, {str(folder)!r});"
        "bench = runpy.run_path('benchmarks/startup.py');"
        "figures = bench['measure_demo']([sys.executable, '-c', \"b'x' * 150_000_000\"]);"
        "print([figure.value for figure in figures][1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 150 < float(done.stdout) < 300


def test_a_command_that_fails_is_no_measurement(benchmark):
    with pytest.raises(SystemExit, match=r"exited 3:\nbroken"):
        list(
            benchmark["measure_demo"](
                python("import sys; print('broken', file=sys.stderr); exit(3)")
            )
        )


def test_the_result_is_printed_as_json(benchmark, capsys):
    code = benchmark["main"](["--only", "version", "--rounds", "2", "--json"])
    figure = json.loads(capsys.readouterr().out)["figures"][0]
    assert figure["name"] == "version"
    assert figure["met"] is (code == 0)
