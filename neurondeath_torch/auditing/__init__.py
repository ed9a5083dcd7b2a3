"""The audit of a model on data: what was measured, what the theory expects, the verdict."""
