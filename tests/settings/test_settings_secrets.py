"""No secret is ever shown: not in a repr, a row, a problem, an error or a masked URL."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.layers import environment_layer
from alchemiser_cli.settings.model import settings_from_layers
from alchemiser_cli.settings.problems import validation_problems
from alchemiser_cli.settings.resolve import Resolved, inspect, resolve
from alchemiser_cli.settings.show import MASK, masked_url, setting_rows

SECRETS = {
    "ALCHEMISER_KAFKA__PASSWORD": "{}",
    "ALCHEMISER_REGISTRY__PASSWORD": "{}",
    "ALCHEMISER_SIGNING__KEY": "{}",
    "ALCHEMISER_BROKERS__KITE__API_KEY": "{}",
    "ALCHEMISER_BROKERS__KITE__API_SECRET": "{}",
    "ALCHEMISER_NOTIFICATIONS__PAGER__URL": "json://desk:{}@example.com",
    "ALCHEMISER_STATE__URL": "postgresql+psycopg://desk:{}@db/alchemiser?sslmode=require",
    "ALCHEMISER_REGISTRY__URL": "https://desk:{}@registry.example.com",
    "ALCHEMISER_TRACKING__URI": "https://desk:{}@mlflow.example.com",
}
PLAIN = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-~!", min_size=4).map("Zq9".__add__)
NASTY = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).map("Zq9".__add__)


@settings(deadline=None)
@given(PLAIN, st.sets(st.sampled_from(sorted(SECRETS)), min_size=1))
def test_secrets_are_in_no_repr_and_no_row(secret, names):
    layers = (environment_layer({name: SECRETS[name].format(secret) for name in names}),)
    settings = settings_from_layers(layers)
    resolved = Resolved(settings, "desk", layers)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(resolved)):
        assert secret not in shown
    assert secret not in repr(setting_rows(resolved))


@settings(deadline=None)
@given(NASTY, st.sampled_from(sorted(SECRETS)))
def test_secrets_are_in_no_problem(secret, name):
    values = {name: SECRETS[name].format(secret), "ALCHEMISER_KAFKA__MOED": "x"}
    layers = (environment_layer(values),)
    with pytest.raises(ValidationError) as caught:
        settings_from_layers(layers)
    problems = validation_problems(caught.value, Settings, layers)
    assert "kafka.moed" in {problem.key for problem in problems}
    assert secret not in repr(problems)


@settings(deadline=None)
@given(NASTY, st.sampled_from(["postgresql", "https", "redis+tls"]), st.booleans())
def test_the_password_of_a_url_never_survives_masking(secret, scheme, in_query):
    query = f"?password={secret}" if in_query else "?sslmode=require"
    user = "desk" if in_query else f"desk:{secret}"
    assert secret not in masked_url(f"{scheme}://{user}@db.example.com:5432/name{query}")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://127.0.0.1:8081/path", "http://127.0.0.1:8081/path"),
        ("https://desk:pw@host:1/p", f"https://desk:{MASK}@host:1/p"),  # pragma: allowlist secret
        ("https://desk@host", "https://desk@host"),
        ("https://desk:p@w@host", f"https://desk:{MASK}@host"),
        ("postgresql://u:12/34@host/n", f"postgresql://{MASK}@host/n"),
        (
            "postgresql://h/n?sslmode=require&password=x",
            f"postgresql://h/n?sslmode=require&password={MASK}",
        ),
        ("file:/srv/schemas", "file:/srv/schemas"),
        ("file:schemas", "file:schemas"),
        ("http://[::1", MASK),
    ],
)
def test_a_masked_url_keeps_what_is_not_secret(url, masked):
    assert masked_url(url) == masked


@pytest.mark.parametrize(
    "flag",
    [
        "kafka..password=hunter2",
        "=hunter2",
        "kafka.passwrod=hunter2",
        "state.url=postgresql://desk:hunter2@db:port/name",  # pragma: allowlist secret
        "state.url=mysql://desk:hunter2@db/name",  # pragma: allowlist secret
        "registry.url=ftp://desk:hunter2@host",  # pragma: allowlist secret
        "tracking.uri=x://desk:hunter2@host",  # pragma: allowlist secret
        "kafka.bootstrap=desk:hunter2@broker:9092/",
        "signing=hunter2",
        "brokers=hunter2",
        "consumer.batch_size=hunter2",
        'kafka.password={"value": "hunter2"}',
    ],
)
def test_an_error_about_a_value_does_not_repeat_it(flag, ask):
    with pytest.raises(AlchemiserError) as caught:
        resolve(ask(flags=[flag]))
    error = caught.value
    assert "hunter2" not in f"{error.what} {error.why} {error.next_step} {error.context}"
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_a_request_does_not_show_the_secrets_it_carries(ask):
    request = ask(flags=["kafka.password=hunter2"], environ={"ALCHEMISER_SIGNING__KEY": "hunter2"})
    assert "hunter2" not in repr(request)


def test_a_transient_key_is_shown_nowhere(ask):
    found = inspect(ask())
    key = found.resolved.settings.signing.key.get_secret_value()
    assert key not in repr(found)
    assert key not in repr(setting_rows(found.resolved))


@pytest.mark.parametrize(
    ("dotenv", "holds"),
    [
        ("ALCHEMISER_KAFKA__PASSWORD=x\n", True),
        ('ALCHEMISER_KAFKA={"password": "x"}\n', True),
        ("ALCHEMISER_BROKERS__KITE__API_KEY=x\n", True),
        ("ALCHEMISER_KAFKA__USERNAME=x\n", False),
    ],
)
def test_a_file_that_holds_a_secret_is_known(dotenv, holds, ask):
    files = [str(file) for file in resolve(ask(dotenv=dotenv)).secret_files]
    assert files == ([".env"] if holds else [])
