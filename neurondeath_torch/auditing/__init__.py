"""Audit of a model on data: measurements, theoretical predictions and a verdict."""
