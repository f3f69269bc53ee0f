"""What Alembic runs for a migration: it uses the connection, and the transaction, it was given."""

from alembic import context

# Not Alembic's usual name, which another program (MLflow) may use in the same database.
context.configure(
    connection=context.config.attributes["connection"], version_table="schema_revision"
)
context.run_migrations()
