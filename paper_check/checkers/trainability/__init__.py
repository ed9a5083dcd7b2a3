"""Checkers of the claims on trainability: sizes, angles, residual streams, mirrored weights, tailored slopes."""
