"""Shared access to a model: its activations, its weight layers, forward passes over data, and what feeds what."""
