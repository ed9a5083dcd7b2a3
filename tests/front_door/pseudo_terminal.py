"""Run the command line in this process, with its streams in a pseudo-terminal or in a pipe."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath_theory.foundation.progress import PlainLines, use_display

STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Output:
    """Exit code, and what came out of stdout and stderr."""

    code: int
    raw: str
    raw_err: str = ""

    @property
    def out(self):
        return STYLE.sub("", self.raw)

    @property
    def err(self):
        return STYLE.sub("", self.raw_err)


def in_pipe(arguments):
    """Run a command line whose output goes into pipes."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(command_line(root.NAME, COMMANDS, help=root.HELP), root.NAME, arguments)
    return Output(code, out.getvalue(), err.getvalue())


def in_terminal(arguments, width):
    """Run a command line in terminals of so many columns, one for each stream."""
    with ExitStack() as stack:
        out, err = stack.enter_context(terminal(width)), stack.enter_context(terminal(width))
        with redirect_stdout(out.stream), redirect_stderr(err.stream):
            code = run(command_line(root.NAME, COMMANDS, help=root.HELP), root.NAME, arguments)
    use_display(PlainLines)  # what follows in this process has no terminal
    return Output(code, out.text(), err.text())


class _Terminal:
    def __init__(self, primary, secondary):
        self.primary, self.stream = primary, open(secondary, "w", encoding="utf-8")  # noqa: SIM115
        self.received = []

    def read(self):
        while True:
            try:
                some = os.read(self.primary, 65536)
            except OSError:  # the other end is closed
                return
            if not some:
                return
            self.received.append(some)

    def text(self):
        return b"".join(self.received).decode().replace("\r\n", "\n")


@contextmanager
def terminal(width):
    """Open a pseudo-terminal, and read what is written to it."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    opened = _Terminal(primary, secondary)
    reader = threading.Thread(target=opened.read)
    reader.start()
    try:
        yield opened
    finally:
        opened.stream.close()
        reader.join()
        os.close(primary)


def in_new_process(arguments, width, folder):
    """Run a command line in a process of its own, whose two streams go to one terminal."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with terminal(width) as opened:
        program = [sys.executable, "-m", "neurondeath", *arguments]
        done = subprocess.run(
            program, stdout=opened.stream, stderr=opened.stream, cwd=folder, env=environment, check=False
        )
    return Output(done.returncode, opened.text())
