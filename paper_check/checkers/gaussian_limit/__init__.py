"""Checkers of claims on the Gaussian limit."""
