"""The installed package: what the wheel holds, and that it claims no name that users give their own files.

The wheel is installed beside the libraries of this environment. With NEURONDEATH_INSTALLED, the Python of an
environment into which the wheel was installed with its dependencies, that one is tested (`.ci/wheel` does so).
"""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN_NAMES = ("simulations", "figures", "paper_check", "tests")
DOORS = ("simulations", "figures", "paper_check")
PACKAGES = ("neurondeath", "neurondeath_theory", "neurondeath_torch")
# whoever uses the package beside modules of their own
PROGRAM = """
import json, sys
from pathlib import Path
import neurondeath as nd

estimate = nd.simulate(nd.Network([3] * 4), [[1.0, 2.0, 3.0]], trials=64, seed=1)  # one point: compiles quickly
pictures = nd.make_figure("activations", Path("pictures"), quick=True)
report = nd.check("L5")
import simulations, figures, paper_check, tests
paths = {}
for name, module in sys.modules.items():
    if getattr(module, "__file__", None) and name.startswith("neurondeath"):
        paths.setdefault(str(Path(module.__file__).resolve()), set()).add(id(module))
print(json.dumps({
    "alive": estimate.alive[-1],
    "picture": pictures[0].stat().st_size,
    "passed": report.passed,
    "own": [module.MINE for module in (simulations, figures, paper_check, tests)],
    "home": str(Path(nd.__file__).parent),
    "twice": [path for path, modules in paths.items() if len(modules) > 1],
}))
"""


def run(*command, cwd):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd, env=clean, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a source distribution, a wheel from it, and a wheel from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=ROOT)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out / "direct", cwd=ROOT)
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "source", filter="data")
    (source,) = (out / "source").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out / "from_sdist", cwd=source)
    (direct,), (from_sdist,) = (out / "direct").glob("*.whl"), (out / "from_sdist").glob("*.whl")
    return {"direct": direct, "from_sdist": from_sdist, "source": source}


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """Return the Python of an environment in which the wheel is installed."""
    if os.environ.get("NEURONDEATH_INSTALLED"):
        return Path(os.environ["NEURONDEATH_INSTALLED"])
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    interpreter = home / "bin" / "python"
    site = Path(run(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    with zipfile.ZipFile(built["direct"]) as wheel:
        wheel.extractall(site)
    # the libraries of this environment, but not its .pth files, which lead to the checkout
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_the_wheel_from_the_sdist_is_the_wheel(built):
    direct, from_sdist = contents(built["direct"]), contents(built["from_sdist"])
    assert direct.keys() == from_sdist.keys()
    assert [name for name in direct if direct[name] != from_sdist[name]] == []


def test_the_wheel_claims_three_names_and_holds_everything(built):
    held = contents(built["direct"])
    tops = {name.partition("/")[0] for name in held}
    assert {name for name in tops if not name.endswith(".dist-info")} == set(PACKAGES)
    places = {name: ROOT / name for name in PACKAGES} | {f"neurondeath/{name}": ROOT / name for name in DOORS}
    for place, folder in places.items():
        for path in folder.rglob("*"):
            linked = any(parent.is_symlink() for parent in (path, *path.parents) if folder in parent.parents)
            if path.is_file() and not linked and "__pycache__" not in path.parts:
                assert held[f"{place}/{path.relative_to(folder)}"] == path.read_bytes()
    assert b"Root-Is-Purelib: true" in next(text for name, text in held.items() if name.endswith("/WHEEL"))


def test_the_text_of_an_index_is_the_readme_without_links_to_the_checkout(built):
    metadata = next(text for name, text in contents(built["direct"]).items() if name.endswith("/METADATA")).decode()
    assert "Description-Content-Type: text/markdown" in metadata
    head, _, text = metadata.partition("\n\n")
    assert "Requires-Python: >=3.11" in head
    assert text.startswith("# neurondeath")
    assert "](docs/" not in text


@pytest.fixture
def strangers_folder(tmp_path):
    """Make a folder of a user whose modules have our folders' names, as files or as packages."""

    def make(kind):
        for name in OWN_NAMES:
            body = f"MINE = '{kind} {name}'\nif __name__ == '__main__':\n" + "".join(
                f"    {line}\n" for line in PROGRAM.splitlines()
            )
            if kind == "file":
                (tmp_path / f"{name}.py").write_text(body)
            else:
                (tmp_path / name).mkdir()
                (tmp_path / name / "__init__.py").write_text(f"MINE = '{kind} {name}'\n")
                (tmp_path / name / "__main__.py").write_text(body)
        (tmp_path / "pictures").mkdir()
        return tmp_path

    return make


@pytest.mark.parametrize("kind", ["file", "package"])
@pytest.mark.parametrize("name", OWN_NAMES)
def test_users_modules_of_our_folders_names_are_theirs(python, strangers_folder, kind, name):
    folder = strangers_folder(kind)
    out = run(python, *([f"{name}.py"] if kind == "file" else ["-m", name]), cwd=folder)
    found = json.loads(out.splitlines()[-1])
    assert found["own"] == [f"{kind} {each}" for each in OWN_NAMES]
    assert 0.0 < found["alive"] < 1.0
    assert found["picture"] > 1000
    assert found["passed"]
    assert found["twice"] == []
    assert not Path(found["home"]).is_relative_to(ROOT)


def test_commands_run_beside_users_modules(python, strangers_folder):
    folder = strangers_folder("file")
    modules = ["neurondeath", *(f"neurondeath.{name}" for name in DOORS), *PACKAGES[1:]]
    command = ("bounds", "--width", 3, "--depth", 5, "--format", "csv")
    expected = run(python, "-m", modules[0], *command, cwd=folder)
    assert "0.51290" in expected
    for module in modules[1:]:
        assert run(python, "-m", module, *command, cwd=folder) == expected


ROOT_PROGRAM = """
import importlib, sys
for name in ("simulations", "figures", "paper_check"):
    short, long = importlib.import_module(name), importlib.import_module(f"neurondeath.{name}")
    assert short is long and long.__name__ == f"neurondeath.{name}"
import simulations.stores.store, figures.gallery, paper_check.checkers.survival.bounds
from simulations.stores.store import Store
from neurondeath.simulations.stores.store import Store as LongStore
assert Store is LongStore and Store.__module__ == "neurondeath.simulations.stores.store"
assert simulations.stores.store.__spec__.name == "neurondeath.simulations.stores.store"
assert simulations.simulate is importlib.import_module("neurondeath").simulate
paths = {}
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        paths.setdefault(module.__file__, set()).add(id(module))
assert not [path for path, modules in paths.items() if len(modules) > 1]
try:
    import simulations.nosuch
except ModuleNotFoundError as error:
    print(error)
"""


def test_short_names_are_doors_to_the_same_modules_at_the_root_of_the_checkout():
    out = run(sys.executable, "-c", ROOT_PROGRAM, cwd=ROOT)
    assert out == "No module named 'neurondeath.simulations.nosuch'\n"
    for name in DOORS:
        assert run(sys.executable, "-m", name, "--version", cwd=ROOT).startswith("neurondeath ")
