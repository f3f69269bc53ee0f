"""The way from each version of the schema to the next, as Alembic revisions numbered like them.

A revision never imports ``alchemiser_cli.state.schema``: it says what was true when it was written.
"""
