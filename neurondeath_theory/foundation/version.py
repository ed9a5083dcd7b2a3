"""The installed version of the project, without importing the front door."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("neurondeath")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "unknown"
