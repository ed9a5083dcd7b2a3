"""Checkers of claims on training."""
