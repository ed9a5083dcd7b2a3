"""Weights drawn for a network at hand, and units negated so that the data stay alive in it."""
