"""Guarantees of sign flips, residual streams and batch norm, and advice on which remedy to take."""
