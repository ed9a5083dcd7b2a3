"""Dead units seen: what counts as dead, the monitor, and the audit with its verdict and picture."""
