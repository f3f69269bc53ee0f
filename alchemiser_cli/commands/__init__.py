"""Thin commands: check arguments, one core call, render one result, return one exit code."""
