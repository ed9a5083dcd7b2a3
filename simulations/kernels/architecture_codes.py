"""How layers are joined, as the kernels know it."""

__all__ = ["BATCH_NORM", "DENSE", "PLAIN", "SKIP", "STREAM"]

PLAIN, SKIP, DENSE, BATCH_NORM = 0, 1, 2, 3
STREAM = 4  # the critical residual, see `critical_stream`
