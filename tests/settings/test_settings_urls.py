"""The form of every address is checked before anything connects."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors import BootstrapMalformedError, UrlMalformedError
from alchemiser_cli.settings.resolve import inspect, resolve
from alchemiser_cli.settings.urls import bootstrap_servers, is_local_host

GOOD = [
    ("state.url", "sqlite:///state.db"),
    ("state.url", "sqlite:////var/lib/alchemiser/state.db"),
    ("state.url", "postgresql://db/alchemiser"),
    ("state.url", "postgresql://u:pw@db:5432/n?sslmode=require"),  # pragma: allowlist secret
    ("state.url", "postgresql+psycopg://u:p%40%2F@[::1]:5432/n"),  # pragma: allowlist secret
    ("registry.url", "http://127.0.0.1:8081"),
    ("registry.url", "https://desk:pw@registry.example.com/path"),  # pragma: allowlist secret
    ("registry.url", "file:/srv/schemas"),
    ("registry.url", "file:///srv/schemas"),
    ("registry.url", "file:schemas"),
    ("tracking.uri", "sqlite:////var/lib/mlflow.db"),
    ("tracking.uri", "http://127.0.0.1:5000"),
    ("tracking.uri", "https://mlflow.example.com"),
    ("kafka.bootstrap", "localhost:9092"),
    ("kafka.bootstrap", "a:1,b-2.example.com:65535, 10.0.0.1:9092"),
    ("kafka.bootstrap", "[::1]:9092"),
]
BAD = [
    ("state.url", ""),
    ("state.url", "state.db"),
    ("state.url", "sqlite://"),
    ("state.url", "sqlite:///"),
    ("state.url", "sqlite://host/state.db"),
    ("state.url", "sqlite:///:memory:"),
    ("state.url", "sqlite:///state.db?timeout=abc"),
    ("state.url", "mysql://db/alchemiser"),
    ("state.url", "postgresql+psycopg2://db/alchemiser"),
    ("state.url", "postgresql://db"),
    ("state.url", "postgresql:///alchemiser"),
    ("state.url", "postgresql://db:port/alchemiser"),
    ("state.url", "postgresql://db:70000/alchemiser"),
    ("state.url", "postgresql://desk:12/34@db/alchemiser"),
    ("state.url", "postgresql://desk:12#34@db/alchemiser"),
    ("state.url", "postgresql://desk:12?34@db/alchemiser"),
    ("state.url", "postgresql://[::1/alchemiser"),
    ("registry.url", ""),
    ("registry.url", "registry:8081"),
    ("registry.url", "127.0.0.1:8081"),
    ("registry.url", "http://"),
    ("registry.url", "http://:8081"),
    ("registry.url", "http://registry:99999"),
    ("registry.url", "ftp://registry"),
    ("registry.url", "file:"),
    ("registry.url", "file://host/schemas"),
    ("tracking.uri", ""),
    ("tracking.uri", "mlruns"),
    ("tracking.uri", "file:/mlruns"),
    ("tracking.uri", "sqlite://"),
    ("tracking.uri", "sqlite://host/x"),
    ("tracking.uri", "https:///path"),
    ("tracking.uri", "https://mlflow:abc"),
]
BAD_BOOTSTRAP = [
    "",
    "localhost",
    "localhost:",
    ":9092",
    "localhost:0",
    "localhost:65536",
    "localhost:123456",
    "localhost:٣",
    "localhost:9092,",
    ",localhost:9092",
    "a:1;b:2",
    "kafka://localhost:9092",
    "::1:9092",
    "local host:9092",
    "localhost:9092/path",
]


@pytest.mark.parametrize(("key", "url"), GOOD)
def test_a_well_formed_address_is_accepted(key, url, ask):
    assert inspect(ask(flags=[f"{key}={url}"])).problems == []


@pytest.mark.provokes("url-malformed")
@pytest.mark.parametrize(("key", "url"), BAD)
def test_a_malformed_url_is_refused_by_form(key, url, ask):
    with pytest.raises(UrlMalformedError) as caught:
        resolve(ask(flags=[f"{key}={url}"]))
    assert caught.value.context["key"] == key
    assert caught.value.next_step


@pytest.mark.provokes("bootstrap-malformed")
@pytest.mark.parametrize("bootstrap", BAD_BOOTSTRAP)
def test_a_malformed_bootstrap_is_refused_by_form(bootstrap, ask):
    with pytest.raises(BootstrapMalformedError) as caught:
        resolve(ask(flags=[f"kafka.bootstrap={bootstrap}"]))
    assert "HOST:PORT" in caught.value.next_step


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,20}[A-Za-z0-9])?", fullmatch=True),
            st.integers(1, 65535),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_bootstrap_list_is_normalised_once_and_for_all(servers):
    pairs = [f"{host}:{port}" for host, port in servers]
    normal = bootstrap_servers(" , ".join(pairs))
    assert normal == ",".join(pairs)
    assert bootstrap_servers(normal) == normal


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        (None, True),
        ("db.example.com", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_only_loopback_is_local(host, local):
    assert is_local_host(host) is local


def test_unset_addresses_lead_into_the_home(ask, tmp_path):
    settings = resolve(ask(home=tmp_path)).settings
    assert settings.state_url == f"sqlite:///{tmp_path}/state.db"
    assert settings.registry_url == f"file:{tmp_path}/schemas"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
