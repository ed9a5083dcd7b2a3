"""Compiled kernels: they fill their `out` arguments, never validate, never print; numpy and numba only."""
