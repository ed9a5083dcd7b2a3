"""What sign flips, residual streams and batch norm promise, and which remedy to take."""
