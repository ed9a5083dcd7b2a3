"""Settings of the test run that must stand before numpy is imported."""

import os

# the matrices of the tests are small, and the runner keeps all cores busy: more threads only get in each other's way
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
