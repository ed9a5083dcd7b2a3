"""Initialise the weights of a model, and negate units so that the data stay alive in it."""
