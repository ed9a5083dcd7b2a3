"""`python -m neurondeath.figures`: the command line."""

from runpy import run_module

if __name__ == "__main__":
    run_module("neurondeath", run_name="__main__", alter_sys=True)
