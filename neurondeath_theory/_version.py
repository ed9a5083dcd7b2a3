"""The installed version of the project, without importing the front door."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["project_version"]


def project_version() -> str:
    """Give the installed version, or "unknown" in a source tree that was never installed."""
    try:
        return version("neurondeath")
    except PackageNotFoundError:
        return "unknown"
