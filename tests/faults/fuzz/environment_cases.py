"""Environments: hostile variables, limits, folders and rights."""

from tests.faults.fuzz.cases import Case, Plant, base
from tests.faults.fuzz.parameters import parameters

__all__ = ["make"]

NOWHERE, FILE, LOCKED = "{work}/nowhere/deeper", "{work}/plain_file", "{work}/locked"
PLACES = (NOWHERE, FILE, LOCKED, "/dev/null", "/dev/full", "/proc", "", "relative", "/" + "x" * 300, "\x1b[31mRED")
VARIABLES = {
    "HOME": (*PLACES, None),
    "NUMBA_CACHE_DIR": (*PLACES, None),
    "TMPDIR": PLACES,
    "MPLCONFIGDIR": (*PLACES, None),
    "XDG_CACHE_HOME": PLACES,
    "NEURONDEATH_DATA": PLACES,
    "COLUMNS": ("0", "1", "-5", "7", "99999999999", "x", "", "1e3"),
    "LINES": ("0", "x"),
    "LC_ALL": ("C", "POSIX", "xx_YY.UTF-8", "\x1b[31mRED"),
    "PYTHONIOENCODING": ("ascii", "latin-1", "cp1252", "ascii:replace"),
    "PYTHONUTF8": ("0", "1"),
    "NO_COLOR": ("1", ""),
    "FORCE_COLOR": ("1",),
    "CLICOLOR_FORCE": ("1",),
    "TERM": ("dumb", "", "nonsense", None),
    "MPLBACKEND": ("TkAgg", "nonsense", "module://nowhere", "pdf"),
    "PYTHONWARNINGS": ("error", "always", "default"),
    "NUMBA_NUM_THREADS": ("0", "x", "1"),
    "NUMBA_DISABLE_JIT": ("x",),
    "OMP_NUM_THREADS": ("0", "x"),
    "PYTHONHASHSEED": ("1",),
    "TZ": ("nonsense", ""),
    "NEURONDEATH_NO_SUCH": ("1",),
    "PATH": ("", None),
    "USER": ("", None),
}
COMPILES = frozenset({"NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"})  # may make the kernels compile again
STARTS = COMPILES | {"MPLCONFIGDIR", "MPLBACKEND", "PYTHONWARNINGS", "LC_ALL", "PYTHONUTF8"}  # are read at the start
KERNELS = ("simulate", "plot", "check", "figures", "speed")
LIMITS = (
    {"FSIZE": 0},
    {"FSIZE": 4096},
    {"FSIZE": 65536},
    {"NOFILE": 6},
    {"NOFILE": 8},
    {"NOFILE": 16},
    {"AS": 64 << 20},
    {"AS": 256 << 20},
    {"AS": 16 << 20},
    {"STACK": 1 << 18},
    {"CORE": 0},
    {"NPROC": 1},
)
AS_OF_A_NEW_PROCESS = 2 << 30


def make(choose, subcommand, identity):
    """Draw a case with a hostile environment."""
    words = base(choose, subcommand) if choose.random() < 0.9 else [f"{_option(choose, subcommand)}q"]
    plants = (Plant("plain_file", "text"), Plant("locked", "locked folder"))
    kind = choose.random()
    if kind < 0.62:
        names = choose.sample(sorted(VARIABLES), choose.choice((1, 1, 1, 2, 3)))
        environment = {name: choose.choice(VARIABLES[name]) for name in names}
        real = choose.random() < (0.5 if STARTS & set(names) else 0.1)
        slow = bool(COMPILES & set(names)) and subcommand in KERNELS
        return Case(
            **identity,
            arguments=tuple(words),
            about=", ".join(f"{name}={value!r}" for name, value in environment.items()),
            environment=environment,
            plants=plants,
            real=real,
            patience=60.0 if slow else 10.0,
        )
    if kind < 0.85:
        limits = dict(choose.choice(LIMITS))
        real = choose.random() < 0.2 and "NOFILE" not in limits and "STACK" not in limits and "NPROC" not in limits
        if real and "AS" in limits:
            limits["AS"] += AS_OF_A_NEW_PROCESS
        streams = {"stdout": "pipe", "stderr": "pipe"} if "FSIZE" in limits else {}
        about = ", ".join(f"limit of {name}: {most}" for name, most in limits.items())
        return Case(
            **identity, arguments=tuple(words), about=about, limits=limits, streams=streams, plants=plants, real=real
        )
    step = choose.choice(("delete the working directory", "umask 777", "umask 0", "lock the working directory"))
    return Case(**identity, arguments=tuple(words), about=step, steps=(step,), real=choose.random() < 0.2)


def _option(choose, subcommand):
    return choose.choice([one.option for one in parameters(subcommand) if one.option] or ["--help"])
