"""The library is found beside the wheel, and finding it loads nothing else."""

import subprocess
import sys
from pathlib import Path

import confluent_kafka
import pytest

import alchemiser_cli
from alchemiser_cli.errors import EmbeddedBrokerFailedError
from alchemiser_cli.streaming import librdkafka
from alchemiser_cli.streaming.librdkafka import library_path, library_version

ROOT = Path(alchemiser_cli.__file__).parents[1]


def test_its_version_is_the_one_that_confluent_kafka_uses():
    expected = tuple(int(part) for part in confluent_kafka.libversion()[0].split("."))
    assert library_version() == expected


def test_asking_for_the_version_imports_no_heavy_package():
    code = (
        "import sys\n"
        "from alchemiser_cli.streaming import library_version\n"
        "library_version()\n"
        "print(sorted({'confluent_kafka', 'fastavro', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.provokes("embedded-broker-failed")
def test_a_missing_library_is_said_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(librdkafka, "_bundled", lambda: iter(()))
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    with pytest.raises(EmbeddedBrokerFailedError, match="not found") as raised:
        library_path()
    assert "pip install" in raised.value.next_step


def test_every_public_name_of_the_package_exists():
    from alchemiser_cli import streaming

    assert all(getattr(streaming, name) is not None for name in streaming.__all__)
    assert dir(streaming) == sorted(streaming.__all__)
