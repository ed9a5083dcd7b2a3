"""Figures of trainings, drawn from the tables of the studies."""
