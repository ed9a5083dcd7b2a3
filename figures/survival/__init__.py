"""Figures of the survival of ReLU networks at initialisation."""
