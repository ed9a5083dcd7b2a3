"""Survival of ReLU networks: bounds, exact values, safe sizes."""
