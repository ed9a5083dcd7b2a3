"""The folder of a case, and what stands in it before and after."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

from tests.faults.fuzz.fixtures import use_fixtures
from tests.faults.fuzz.hostile_files import plant

__all__ = ["Sandbox", "snapshot"]

LARGEST_DIGEST = 1 << 24  # bytes; larger files are compared by size and time


def snapshot(folder):
    """Describe every entry below a folder: what kind it is, its size, and a digest of its bytes."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(place, name)
            state = os.lstat(path)
            kind = stat.S_IFMT(state.st_mode)
            digest = ""
            if kind == stat.S_IFLNK:
                digest = os.readlink(path)
            elif kind == stat.S_IFREG and state.st_size <= LARGEST_DIGEST:
                digest = _digest(path)
            elif kind == stat.S_IFREG:
                digest = str(state.st_mtime_ns)
            found[os.path.relpath(path, folder)] = (kind, state.st_size if kind == stat.S_IFREG else 0, digest)
    return found


def _digest(path):
    try:
        return hashlib.blake2b(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


class Sandbox:
    """The folders of one case at a time: work (the working directory), home, tmp, and the captured streams."""

    def __init__(self, root, fixtures):
        self.root, self.fixtures = Path(root), fixtures
        self.work, self.home, self.tmp = (self.root / name for name in ("work", "home", "tmp"))
        self.stdout, self.stderr = self.root / "stdout", self.root / "stderr"

    def prepare(self, case, words):
        """Empty the folders and plant the files of a case."""
        self.clear()
        for folder in (self.work, self.home, self.tmp):
            folder.mkdir(parents=True)
        self.stdout.write_bytes(b"")
        self.stderr.write_bytes(b"")
        use_fixtures(self.fixtures, self.work, case.subcommand, [*words, *(one.recipe for one in case.plants)])
        for one in case.plants:
            plant(self.work, one)

    def clear(self):
        """Remove everything, whatever its rights."""
        if self.root.exists():
            for place, folders, _ in os.walk(self.root):
                for name in folders:
                    path = os.path.join(place, name)
                    if not os.path.islink(path):
                        os.chmod(path, 0o700)
            shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True, exist_ok=True)
