"""A real PostgreSQL server, where one is installed."""

import pytest

from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql


@pytest.fixture(scope="session")
def server_url():
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with temporary_postgresql(programs) as url:
        yield url
