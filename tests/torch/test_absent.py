"""Without PyTorch, everything else works, and commands that need it report this in one line."""

import subprocess
import sys

BLOCK = "import sys; sys.modules['torch'] = None; sys.modules['torch_pruning'] = None\n"
COMMAND = "from neurondeath.__main__ import main; sys.exit(main())"
ONE_LINE = "needs PyTorch, which is not installed; pip install 'neurondeath[torch]'\n"


def without_torch(program, *arguments):
    done = [sys.executable, "-W", "error", "-c", BLOCK + program, *arguments]
    return subprocess.run(done, capture_output=True, text=True, check=False)


def test_the_audit_command_says_what_is_missing():
    done = without_torch(COMMAND, "audit", "models:build", "--data", "digits")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(ONE_LINE)


def test_theory_commands_work():
    done = without_torch(COMMAND, "bounds", "--width", "3", "--depth", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.51291" in done.stdout  # (1 - 1/8)^5


def test_every_package_can_be_entered_and_the_definitions_used():
    program = """
import neurondeath as nd, neurondeath_torch, neurondeath.simulations, neurondeath.paper_check
print(nd.survival_bounds([3] * 5).lower[-1])
from neurondeath_torch.watching.definitions import dead
print(dead([0, 2]).tolist(), dir(neurondeath_torch) is not None)
"""
    done = without_torch(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[True, False]" in done.stdout


def test_a_missing_name_is_one_line_too():
    program = """
import neurondeath_torch
from neurondeath_theory.foundation.errors import MissingExtraError
try:
    neurondeath_torch.audit
except MissingExtraError as error:
    print(error)
"""
    done = without_torch(program)
    assert done.stdout == f"`neurondeath_torch.auditing.audit` {ONE_LINE}"
