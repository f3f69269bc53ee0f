"""The checks that gate a start, by category."""
