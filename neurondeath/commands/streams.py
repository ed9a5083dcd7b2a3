"""The streams of this process, made safe before anything else happens.

- A stream that was closed at the start is /dev/null; otherwise the next file that is opened, such as a database, would
  get its number, and messages would be written into that file.
- Messages that nobody can read any more (stderr closed, full, or a pipe whose reader has ended) are dropped.
- When the reader of stdout has ended, as in `| head -1`, the command ends with `ReaderEnded`, which is no error. Any
  other failure to write is an error that names stdout, since data are lost.
- Text that the encoding of a stream lacks is written with escapes.
"""

import io
import os
import select
import sys
from typing import Any, TextIO

__all__ = ["ReaderEnded", "drop_output", "prepare_streams"]


class ReaderEnded(BaseException):  # not an error, and nothing that a handler of errors should catch
    """The reader of stdout has ended."""


class _RawStream(io.FileIO):
    """A descriptor that is written to completely; `dropping` turns it into /dev/null."""

    dropping = False

    def write(self, data: Any) -> int:
        """Write all of the data."""
        view = memoryview(data).cast("B")
        position = 0
        while position < len(view) and not self.dropping:
            try:
                written = super().write(view[position:])
                if written is None:  # the descriptor is set not to wait
                    select.select([], [self], [])
                position += written or 0
            except OSError as error:
                self._failed(error)
        return len(view)

    def _failed(self, error: OSError) -> None:
        raise NotImplementedError


class _RawMessages(_RawStream):
    def _failed(self, error: OSError) -> None:
        self.dropping = True


class _RawOutput(_RawStream):
    def _failed(self, error: OSError) -> None:
        self.dropping = True  # also for what is still buffered
        if isinstance(error, BrokenPipeError):
            raise ReaderEnded from None
        raise OSError(error.errno, error.strerror, "stdout") from None


def prepare_streams() -> None:
    """Open closed streams on /dev/null, and replace `sys.stdout` and `sys.stderr` by streams as described above."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)  # takes the lowest free number
    sys.stdout = _text(sys.stdout, _RawOutput(1, "wb", closefd=False), buffered=True)
    sys.stderr = _text(sys.stderr, _RawMessages(2, "wb", closefd=False), buffered=False)


def _text(former: TextIO | None, raw: _RawStream, *, buffered: bool) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8" if former is None else former.encoding,
        errors="backslashreplace",
        line_buffering=not buffered or raw.isatty(),
        write_through=not buffered,
    )


def drop_output() -> None:
    """Drop what is written on stdout from now on, and what is still buffered."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _RawStream):
        raw.dropping = True
