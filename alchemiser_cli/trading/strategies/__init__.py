"""Strategies: their contract, the built-in kinds, their definitions and their loading."""
