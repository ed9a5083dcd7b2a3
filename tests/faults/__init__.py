"""Fault injection: real runs that are killed, interrupted, out of disk space, or given damaged files.

`make faults` runs all of it in some minutes. Tests without the `faults` mark are a small sample for `make test`.
"""
