"""Fuzzing of the command line: hostile invocations drawn from a seed, each judged by the contract of the command line.

- `cases` draws a case from (subcommand, family, index, seed); the families are in `*_cases`.
- `sandbox` plants its files in a folder of its own, `fork_server` runs it, `contract` judges what happened.
- `python -m tests.faults.fuzz SUBCOMMAND FAMILY INDEX --seed S` runs and explains one case;
  `python -m tests.faults.fuzz all` runs a campaign.
"""
