"""Result objects as a Rich table, plain text or JSON; the only importer of Rich."""
