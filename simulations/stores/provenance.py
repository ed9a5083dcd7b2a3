"""Where a shard was sampled: results are bitwise equal for one CPU type and version, otherwise only in distribution."""

import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from neurondeath_theory.foundation.version import __version__
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["LONGEST_NAME", "Provenance", "cpu_name"]

LONGEST_NAME = 200  # characters of a version or of the type of a processor


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What sampled a shard, and when.

    Attributes
    ----------
    version : str
        Version of neurondeath.
    cpu : str
        Type of the processor; empty if it was not recorded.
    finished : float
        Seconds since 1970.
    """

    version: str
    cpu: str
    finished: float

    @classmethod
    def here(cls) -> "Provenance":
        """Describe this process, now."""
        return cls(version=__version__, cpu=cpu_name(), finished=time.time())

    def __str__(self) -> str:
        day = time.strftime("%Y-%m-%d", time.gmtime(self.finished))
        return f"version {self.version} on {self.cpu or 'an unknown processor'}, {day}"


@cache
def cpu_name() -> str:
    """Return the type of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(models, "") or platform.processor() or platform.machine()
    return visible(name)[:LONGEST_NAME]
