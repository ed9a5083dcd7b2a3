"""Figures of training, drawn from the tables of the studies."""
