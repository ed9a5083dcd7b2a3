"""What a process does to itself before it runs a case: folder, environment, descriptors, limits, privileges."""

import ctypes
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import warnings

__all__ = ["become", "rebuild_streams"]

CAPABILITIES = (1, 2, 3)  # to override access rights, to search folders, to be every file's owner
CAPABILITY_VERSION, DROP_FROM_BOUND = 0x20080522, 24  # of linux/capability.h and linux/prctl.h


def become(request, descriptors):
    """Take the place that a request describes; return only if this interpreter is to run the command."""
    os.setsid()
    os.chdir(request["folder"])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors):
        if descriptor is None:
            os.close(number)
        else:
            os.dup2(descriptor, number)
    os.closerange(3, 256)
    for step in request["steps"]:
        _take(step)
    os.environ.clear()
    os.environ.update(request["environment"])
    drop_privileges()
    for name, most in request["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    if request["real"]:
        command = [sys.executable, "-m", "neurondeath", *request["arguments"]]
        os.execve(sys.executable, [os.fsencode(word) for word in command], os.environ)
    tempfile.tempdir = None
    for action in filter(None, os.environ.get("PYTHONWARNINGS", "").split(",")):
        warnings.simplefilter(action)
    rebuild_streams()
    sys.argv = ["neurondeath", *request["arguments"]]


def _take(step):
    if step == "delete the working directory":
        shutil.rmtree(os.getcwd())
    elif step == "lock the working directory":
        os.chmod(os.getcwd(), 0o500)
    elif step.startswith("umask"):
        os.umask(int(step.split()[1], 8))
    else:
        raise ValueError(step)


def drop_privileges():
    """Let access rights hold also for root."""
    if os.geteuid() != 0:
        return
    library = ctypes.CDLL(None, use_errno=True)
    for one in CAPABILITIES:
        library.prctl(DROP_FROM_BOUND, one, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()
    library.capget(header, data)
    for one in CAPABILITIES:
        for kind in range(3):
            data[kind] &= ~(1 << one)
    library.capset(header, data)


def rebuild_streams():
    """Build the standard streams as the interpreter does when it starts."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        mode = "wb" if number else "rb"
        try:
            os.fstat(number)
            raw = open(number, mode, buffering=0, closefd=False)  # noqa: SIM115
        except OSError:
            stream = None
        else:
            buffered = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
            strict = "backslashreplace" if number == 2 else errors or "strict"
            stream = io.TextIOWrapper(
                buffered, encoding=encoding or "utf-8", errors=strict, line_buffering=number == 2 or raw.isatty()
            )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
