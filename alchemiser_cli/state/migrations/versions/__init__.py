"""One revision a version of the schema."""
