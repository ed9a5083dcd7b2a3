"""`neurondeath check`: verify the papers' claims by machine."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from neurondeath.commands.check_table import print_report
from neurondeath.commands.console import print_csv, print_json
from neurondeath.paper_check.claims import Claim, packaged_claims, read_claims, select_claims
from neurondeath.paper_check.report import report_data
from neurondeath.paper_check.verification import CheckedClaim, Report
from neurondeath.paper_check.verification import check as check_claims
from neurondeath.simulations.sweeps.driver import check_workers
from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.interruption import Interrupted
from neurondeath_theory.foundation.validation import check_count, invalid

__all__ = ["check"]


class ReportFormat(StrEnum):
    """How the report is written."""

    table = "table"
    json = "json"
    csv = "csv"
    html = "html"


def check(
    paper: Annotated[str | None, typer.Option(help="Only the claims of this paper, as rister2020.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these claims, as R1,R2; repeatable.")] = None,
    full: Annotated[bool, typer.Option("--full", help="More points and trials; up to 20 minutes.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Check wrong versions of the claims: each must come out REFUTED.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="How to write the report; html is one self-contained page.")
    ] = ReportFormat.table,
    out: Annotated[Path | None, typer.Option(help="Write the report to this file, in place of stdout.")] = None,
    claims: Annotated[
        Path | None, typer.Option(help="Check the claims of this TOML file in place of the papers'.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Threads of the simulations, or all.")] = "all",
    store: Annotated[
        str | None, typer.Option(help="Keep the simulations in this results store; a second run samples none twice.")
    ] = None,
    studies: Annotated[
        Path | None, typer.Option(help="Hold the claims on training against the tables in this folder.")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Run the studies of trainings anew, reduced: minutes each (extra torch).")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the MNIST files, for --retrain.  [default: $NEURONDEATH_DATA]")
    ] = None,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures of the page.")] = True,
) -> None:
    """Verify the claims of the papers, each by independent routes, and report the evidence.

    Exit code 0 when every claim has the verdict expected of it (with --self-test: when every wrong version is refuted),
    1 otherwise.
    """
    check_count("--seed", seed, least=0)
    threads = check_workers("--workers", workers)
    if out is not None and (out.is_dir() or not os.access(out.parent, os.W_OK)):
        raise invalid("--out", "name a file in a folder that exists and can be written to", str(out))
    if retrain and (self_test or studies is not None):
        raise invalid("--retrain", "stand without --self-test and --studies", True)
    if studies is not None and not studies.is_dir():
        raise invalid(
            "--studies", "name a folder that exists", str(studies), "run `neurondeath study NAME --out FOLDER`"
        )
    wanted = None if only is None else [name.strip() for part in only for name in part.split(",") if name.strip()]
    progress = _Progress()
    known = packaged_claims() if claims is None else read_claims(claims, name="--claims")
    wanted_claims = select_claims(known, only=wanted, paper=paper, names=("--only", "--paper"))
    with _stop_requests() as stopped:
        report = check_claims(
            full=full,
            seed=seed,
            self_test=self_test,
            claims=wanted_claims,
            workers=threads,
            store=store,
            studies=studies,
            retrain=retrain,
            data_dir=data_dir,
            progress=progress,
        )
    progress.end_line()
    _write(report, output, out, figures)
    print(report, file=sys.stderr)
    if not report.finished:
        message = f"interrupted with {len(report.claims)} of {report.n_wanted} claims checked"
        raise Interrupted(message, stopped[0] if stopped else signal.SIGINT)
    raise typer.Exit(0 if report.passed else 1)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Let SIGTERM do what Ctrl-C does, and note which it was."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, previous)


class _Progress:
    """One line a claim on stderr: what is checked, then its verdict and time."""

    def __init__(self) -> None:
        self.number = 0
        self.is_open = False

    def __call__(self, claim: Claim, found: CheckedClaim | None) -> None:
        if found is None:
            self.number, self.is_open = self.number + 1, True
            print(f"[{self.number}] {claim.paper} {claim.id} ...", end="", file=sys.stderr, flush=True)
            return
        if found.mutations:
            refuted = sum(mutation.verdict == "REFUTED" for mutation in found.mutations)
            said = f"{refuted} of {len(found.mutations)} mutations refuted"
        else:
            said = found.verdict.value
        print(f" {said}, {found.seconds:.1f} s", file=sys.stderr, flush=True)
        self.is_open = False

    def end_line(self) -> None:
        """End the line of a claim that was interrupted."""
        if self.is_open:
            print(file=sys.stderr)


def _write(report: Report, output: ReportFormat, out: Path | None, figures: bool) -> None:
    if out is None:
        _print(report, output, figures)
        return
    text = io.StringIO()
    with redirect_stdout(text):
        _print(report, output, figures)
    write_atomically(out, text.getvalue())
    print(out)


def _print(report: Report, output: ReportFormat, figures: bool) -> None:
    if output is ReportFormat.json:
        print_json(report_data(report))
    elif output is ReportFormat.csv:
        print_csv(report.columns())
    elif output is ReportFormat.html:
        from neurondeath.paper_check.report_page import page  # figures and MathML are loaded for the page only

        print(page(report, figures=figures and report.finished))
    else:
        print_report(report)
