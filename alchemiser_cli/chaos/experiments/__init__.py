"""Experiments in the format of Chaos Toolkit: reading, running, and taking back."""
