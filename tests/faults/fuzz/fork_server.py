"""A process that has imported what a subcommand needs and forks once per case; it speaks lines of JSON.

The child runs `python -m neurondeath` by `runpy` at the top of this file and leaves through the usual end of the
interpreter, so that faults of the shutdown show as well. Nothing here starts a thread.
"""

import atexit
import gc
import importlib
import json
import os
import pty
import resource
import runpy
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.faults.fuzz.child import become

__all__ = ["serve"]

PLOTS = (
    "matplotlib.pyplot matplotlib.backends.backend_agg matplotlib.backends.backend_svg matplotlib.backends.backend_pdf "
)
KERNELS = "numba neurondeath.simulations.monte_carlo sklearn.datasets "
PROOFS = "sympy mpmath latex2mathml.converter neurondeath.paper_check.checkers.identities "
TORCH = "torch sklearn.datasets neurondeath_torch.auditing.audit neurondeath_torch.training.loop "
IMPORTS = {
    "simulate": KERNELS,
    "plot": PLOTS + KERNELS,
    "figures": PLOTS + KERNELS,
    "check": PROOFS + KERNELS,
    "cite": PROOFS,
    "results": KERNELS,
    "merge": KERNELS,
    "lint": TORCH + KERNELS + "neurondeath.simulations.learning_forecast neurondeath_torch.auditing.forecast",
    "audit": TORCH + PLOTS,
    "train": TORCH,
    "study": TORCH,
    "runs": TORCH,
    "fetch": "ssl urllib.request",
    "eoc": "scipy.optimize",
    "speed": "scipy.optimize " + KERNELS + "neurondeath.simulations.inference.speed",
    "bounds": "sklearn.datasets",
    "explore": "http.server " + KERNELS + "neurondeath.explorer.server",
    "advise": KERNELS + "neurondeath.simulations.advice",
    "forecast": TORCH + KERNELS + "neurondeath.simulations.learning_forecast neurondeath_torch.auditing.forecast",
}
POLITE = 10  # of the niceness scale, in all
POLL = 0.004  # seconds
LEAVING = 750  # polls in which helpers of the process, such as the tracker of its resources, may end after it
GRACE = 8.0  # seconds from an interruption to the end
MOST_SECONDS = 40.0  # of a case that sleeps, or twice its patience
WAITED_FOR = 4  # times its patience that a case may take on a busy machine
HEAD = 40  # bytes that `| head` reads


def warm_up(subcommand):
    """Import what a subcommand imports, and load the compiled kernels."""
    names = "numpy scipy.special scipy.stats sqlite3 " + IMPORTS.get(subcommand, "")
    from neurondeath.commands import COMMANDS

    for name in [*names.split(), COMMANDS[subcommand].target.split(":")[0]]:
        importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "numba" in names:
        import neurondeath

        neurondeath.simulate(neurondeath.Network([3] * 2), trials=2, workers=1)
        if subcommand == "advise":
            neurondeath.advise(4, 2, trials=4)
        elif subcommand == "forecast":
            neurondeath.trainability(neurondeath.Network([4] * 2), networks=2)
    sys.modules.pop("neurondeath.__main__", None)
    gc.collect()
    gc.freeze()


def _channel(descriptor, mode):
    """Move a standard stream elsewhere; the child closes it without a warning."""
    return open(os.dup(descriptor), mode, closefd=False)


def serve():
    """Answer requests; return in the child, with its request."""
    inward, outward = _channel(0, "r"), _channel(1, "w")
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0), os.dup2(quiet, 1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    print(json.dumps({"address_space": pages * resource.getpagesize()}), file=outward, flush=True)
    for line in inward:
        request = json.loads(line)
        if "AS" in request["limits"] and not request["real"]:
            request["limits"]["AS"] += pages * resource.getpagesize()
        descriptors, readers, ours = _streams(request)
        process = os.fork()
        if process == 0:
            become(request, descriptors)
            return request
        for descriptor in ours:
            os.close(descriptor)
        print(json.dumps(_watch(process, request, readers)), file=outward, flush=True)
    os._exit(0)


def _streams(request):
    """Open the standard streams; return them, the ends to read from, and all that the parent closes after the fork."""
    descriptors, readers, ours = [], {}, []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        state = request["streams"].get(name, "file")
        if state == "closed":
            descriptors.append(None)
            continue
        if number == 0 and state == "silent":
            reading, writing = os.pipe()
            descriptor = reading
            readers[writing] = None
        elif number == 0:
            descriptor = os.open({"file": os.devnull}.get(state, state), os.O_RDONLY)
        elif state in ("head", "broken", "pipe"):
            reading, descriptor = os.pipe()
            if state == "broken":
                os.close(reading)
            else:
                readers[reading] = [request[name], HEAD if state == "head" else None]
        elif state == "terminal":
            reading, descriptor = pty.openpty()
            readers[reading] = [request[name], None]
        elif state == "read only":
            descriptor = os.open(os.devnull, os.O_RDONLY)
        else:
            descriptor = os.open(request[name] if state == "file" else state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        descriptors.append(descriptor)
        ours.append(descriptor)
    return descriptors, readers, ours


def _drain(readers, captured):
    for end in select.select([end for end, plan in readers.items() if plan], [], [], 0)[0]:
        path, most = readers[end]
        try:
            data = os.read(end, most or 65536)
        except OSError:  # the other side of a terminal has closed
            data = b""
        captured[path] = captured.get(path, b"") + data
        if not data or (most and b"\n" in data):
            os.close(end)
            del readers[end]


def _watch(process, request, readers):
    """Wait for the child, interrupt it when it takes too long, and report how it ended."""
    began = time.monotonic()
    planned = request["signal"]
    patience = request["patience"]
    captured, interrupted_at, killed = {}, None, False
    while True:
        _drain(readers, captured)
        found, status, usage = os.wait4(process, os.WNOHANG)
        now = time.monotonic()
        if found:
            break
        if planned and now - began > planned[1]:
            os.kill(process, planned[0])
            planned = None
        cpu = _cpu_seconds(process) if now - began > patience else 0.0
        if interrupted_at is None and (
            cpu > patience or now - began > min(max(MOST_SECONDS, 2 * patience), WAITED_FOR * patience)
        ):
            interrupted_at = now
            os.kill(process, signal.SIGINT)
        elif interrupted_at is not None and now - interrupted_at > GRACE and not killed:
            killed = True
            os.killpg(process, signal.SIGKILL)
        time.sleep(POLL if now - began < 2 else 5 * POLL)
    _drain(readers, captured)
    for end in readers:
        os.close(end)
    orphans = _survivors(process) and not killed
    for path, data in captured.items():
        Path(path).write_bytes(data)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": now - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
        "interrupted": interrupted_at is not None,
        "killed": killed,
        "orphans": orphans,
    }


def _survivors(group):
    """End what is left of a process group after a moment; return whether there was anything."""
    for _ in range(LEAVING):
        try:
            os.killpg(group, 0)
        except OSError:
            return False
        time.sleep(POLL)
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    return True


def _cpu_seconds(process):
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_and_leave():
    """Run the command and end as the interpreter does, but for taking its modules apart."""
    try:
        runpy.run_module("neurondeath", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError as error:
            os.write(2, f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n".encode())
            code = 120
    os._exit(code)


if __name__ == "__main__":
    os.nice(max(0, POLITE - os.nice(0)))
    warm_up(sys.argv[1])
    request = serve()
    if not request["whole_end"]:
        run_and_leave()
    runpy.run_module("neurondeath", run_name="__main__", alter_sys=True)
