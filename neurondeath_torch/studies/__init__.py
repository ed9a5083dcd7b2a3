"""Studies behind the claims on training: their configurations, their tables, and functions that rerun them."""
