"""Remove or reset units with all their weights, normalisation parameters and optimiser state."""
