"""Fault injection: real runs that are killed, interrupted, starved of disk, or fed damaged files.

`make faults` runs all of it, for some minutes. What has no `faults` mark is a small sample for `make test`.
"""
