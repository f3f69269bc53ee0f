"""Operator's toolkit for a trading system driven by reinforcement learning."""

__all__ = ["__version__"]

__version__ = "0.1.0"
