"""Estimates with errors from sufficient statistics, compared with the theory, and their export to files."""
