"""Settings of the test run that must be made before numpy is imported."""

import os
import signal
from contextlib import suppress

# the matrices of the tests are small, and the runner keeps all cores busy: more threads only slow each other down
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# a run in the background of a script inherits that Ctrl-C is ignored, and so would the processes that tests interrupt
with suppress(ValueError):  # only the main thread can set it
    signal.signal(signal.SIGINT, signal.default_int_handler)
