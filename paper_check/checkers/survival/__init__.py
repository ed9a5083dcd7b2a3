"""Checkers of claims on survival at initialisation."""
