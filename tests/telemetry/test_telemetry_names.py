"""The table of metrics: names that Prometheus accepts, and settings that fit them."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import SettingInvalidError, SettingUnknownError
from alchemiser_cli.settings import BucketSettings, TelemetrySettings
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.telemetry import METRICS, SILENT, open_telemetry
from alchemiser_cli.telemetry.names import CONSUMED, HANDLER_SECONDS, HEALTH_STATUS

every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def test_names_are_unique():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)


@every_metric
def test_a_metric_is_named_and_explained_as_prometheus_asks(metric):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in metric.labels)


@every_metric
def test_only_a_histogram_has_buckets_and_they_rise(metric):
    assert bool(metric.buckets) == bool(metric.setting) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_histogram_has_its_setting_and_no_setting_is_dead():
    settings = {metric.setting for metric in METRICS if metric.setting}
    assert settings == set(BucketSettings.model_fields)


@given(st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=1, max_size=8, unique=True))
def test_buckets_of_the_settings_replace_those_of_the_metric(bounds):
    bounds = tuple(sorted(bounds))
    settings = TelemetrySettings(buckets=BucketSettings(consumer_handler_seconds=bounds))
    telemetry = open_telemetry(settings)
    telemetry.histogram(HANDLER_SECONDS, topic="t").observe(1)
    samples = [s for family in telemetry.registry.collect() for s in family.samples]
    found = [s.labels["le"] for s in samples if s.name == f"{HANDLER_SECONDS.name}_bucket"]
    assert [float(bound) for bound in found[:-1]] == list(bounds)
    assert found[-1] == "+Inf"


@pytest.mark.provokes("setting-invalid")
@pytest.mark.parametrize("bounds", ["[1,1]", "[2,1]", "[0,1]", "[-1]", '["inf"]', '["nan"]', "x"])
def test_buckets_that_do_not_rise_are_refused(bounds):
    key = "telemetry.buckets.consumer_handler_seconds"
    with pytest.raises(SettingInvalidError) as refused:
        resolve(Request(assignments=(f"{key}={bounds}",)))
    assert refused.value.context["key"].startswith(key)


def test_buckets_may_come_from_a_variable():
    name = "ALCHEMISER_TELEMETRY__BUCKETS__CONSUMER_HANDLER_SECONDS"
    settings = resolve(Request(environ={name: "[0.5, 2]"})).settings
    assert settings.telemetry.buckets.consumer_handler_seconds == (0.5, 2.0)


def test_buckets_of_a_metric_that_does_not_exist_are_refused():
    with pytest.raises(SettingUnknownError) as refused:
        resolve(Request(assignments=("telemetry.buckets.consumer_handler_second=[1]",)))
    assert "consumer_handler_seconds" in refused.value.next_step


@pytest.mark.parametrize("file", ["/var/lib/alchemiser.txt", "alchemiser.prom"])
def test_a_text_file_that_node_exporter_would_not_read_is_refused(file):
    with pytest.raises(SettingInvalidError):
        resolve(Request(assignments=(f"telemetry.textfile={file}",)))


def test_silence_checks_names_and_labels_as_counting_does():
    """A wrong use shows in every test, not first where telemetry is on."""
    for telemetry in (SILENT, open_telemetry(TelemetrySettings())):
        with pytest.raises(ValueError, match="is a counter, not a gauge"):
            telemetry.gauge(CONSUMED, topic="t")
        with pytest.raises(ValueError, match="has the labels"):
            telemetry.counter(CONSUMED)
        with pytest.raises(ValueError, match="has the labels"):
            telemetry.gauge(HEALTH_STATUS, topic="t")


def test_silent_instruments_do_nothing_and_load_no_prometheus_library():
    program = (
        "import sys\n"
        "from alchemiser_cli.telemetry import SILENT, names\n"
        "SILENT.counter(names.CONSUMED, topic='t').inc(3)\n"
        "SILENT.gauge(names.HEALTH_STATUS).set(1)\n"
        "SILENT.histogram(names.HANDLER_SECONDS, topic='t').observe(0.1)\n"
        "print([name for name in ('prometheus_client', 'sqlalchemy') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
