"""`neurondeath check`: verify the papers' claims by machine."""

import io
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.check_table import report_columns, show_report
from neurondeath.commands.claim_tables import show_list, show_one
from neurondeath.commands.messages import OpenLine, message
from neurondeath.commands.output_options import ColumnsOption, Format, check_columns
from neurondeath.commands.show import show_path
from neurondeath.commands.time_left import TimeLeft
from neurondeath.paper_check.changed_claims import changed_claims, read_change
from neurondeath.paper_check.checked_claims import CheckedClaim, Report
from neurondeath.paper_check.claim_keys import claim_template as write_claim_template
from neurondeath.paper_check.claims import Claim, packaged_claims, read_claims, select_claims
from neurondeath.paper_check.verification import check as check_claims
from neurondeath.simulations.sweeps.driver import check_workers
from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.interruption import Interrupted
from neurondeath_theory.foundation.output_files import check_output_file
from neurondeath_theory.foundation.validation import check_count, invalid

__all__ = ["check"]


class ReportFormat(StrEnum):
    """How the report is written."""

    table = "table"
    json = "json"
    csv = "csv"
    html = "html"


def check(
    paper: Annotated[str | None, typer.Option(help="Only the claims of this paper, e.g. rister2020.")] = None,
    list_claims: Annotated[bool, typer.Option("--list", help="List the claims, without checking them.")] = False,
    show_claim: Annotated[
        str | None,
        typer.Option("--show", help="Show one claim: statement, assumptions, routes, parameters.", metavar="ID"),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these claims, e.g. R1,R2; repeatable.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Change a parameter of the checks, as init=orthogonal, and see the verdict; repeatable.",
            metavar="PARAMETER=VALUE",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="More points and trials; up to 20 minutes.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Check wrong versions of the claims: each must come out REFUTED.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="How to write the report; html is one self-contained page.")
    ] = ReportFormat.table,
    columns: ColumnsOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this file, in place of stdout.")] = None,
    claims: Annotated[
        Path | None, typer.Option(help="Check the claims of this TOML file in place of the papers'.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Threads of the simulations, or all.")] = "all",
    store: Annotated[
        str | None, typer.Option(help="Keep the simulations in this results store; a second run samples none twice.")
    ] = None,
    studies: Annotated[
        Path | None, typer.Option(help="Compare the claims on training with the tables in this folder.")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Run the studies of trainings again, reduced: minutes each (extra torch).")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the MNIST files, for --retrain.  [default: $NEURONDEATH_DATA]")
    ] = None,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures of the page.")] = True,
    claim_template: Annotated[
        bool, typer.Option("--claim-template", help="Print a claims file that shows every key, and exit.")
    ] = False,
) -> None:
    """Verify the claims of the papers, each by independent routes, and report the evidence.

    Exit code 0 when every claim has the verdict expected of it (with --self-test: when every wrong version is refuted),
    1 otherwise.
    """
    if claim_template:
        print(write_claim_template(), end="")
        return
    wanted = None if only is None else [name.strip() for part in only for name in part.split(",") if name.strip()]
    known = packaged_claims() if claims is None else read_claims(claims, name="--claims")
    if list_claims or show_claim is not None:
        check_columns(columns, output)
        if output is ReportFormat.html:
            raise invalid("--format", "be table, json or csv for a list of claims", output.value)
        if show_claim is not None:
            show_one(select_claims(known, only=[show_claim], names=("--show", "--paper"))[0], Format(output), columns)
        else:
            show_list(
                select_claims(known, only=wanted, paper=paper, names=("--only", "--paper")), Format(output), columns
            )
        return
    check_count("--seed", seed, least=0)
    threads = check_workers("--workers", workers)
    check_columns(columns, output, report_columns(self_test=self_test))
    if out is not None:
        check_output_file("--out", out)
    changed = dict(read_change("--with", text) for text in changes or ())
    if changed and self_test:
        raise invalid("--with", "be left out of a self-test", ", ".join(changes or ()))
    if retrain and (self_test or studies is not None):
        raise invalid("--retrain", "be used without --self-test and --studies", True)
    if studies is not None and not studies.is_dir():
        raise invalid(
            "--studies", "name a folder that exists", str(studies), "run `neurondeath study NAME --out FOLDER`"
        )
    wanted_claims = select_claims(known, only=wanted, paper=paper, names=("--only", "--paper"))
    if changed:
        changed_claims(wanted_claims, changed, name="--with")  # refused before any work
    progress = _Progress(len(wanted_claims))
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
        changes=changed,
        progress=progress,
    )
    progress.line.end()
    stopped_by = report.stopped_by
    if report.finished or out is None:  # a report is replaced by a finished one only
        stopped_by = _write(report, output, columns, out, figures) or stopped_by
    message(str(report))
    if stopped_by is not None:
        finished = f"{len(report.claims)} of {report.n_wanted} claims checked"
        kept = "" if report.finished or out is None else f"; no report was written to {out}"
        raise Interrupted(f"interrupted with {finished}{kept}", stopped_by)
    raise typer.Exit(0 if report.passed else 1)


class _Progress:
    """One line per claim on stderr: its number and name, on a terminal the time left, then its verdict and time."""

    def __init__(self, n_claims: int) -> None:
        self.line = OpenLine()
        self._number, self._n_claims, self._left = 0, n_claims, TimeLeft(n_claims)

    def __call__(self, claim: Claim, found: CheckedClaim | None) -> None:
        if found is None:
            left = self._left.text(self._number)
            self._number += 1
            self.line.begin(f"[{self._number} of {self._n_claims}{left}] {claim.paper} {claim.id} ...")
            return
        outcome = found.verdict.value
        if found.mutations:
            refuted = sum(mutation.verdict == "REFUTED" for mutation in found.mutations)
            outcome = f"{refuted} of {len(found.mutations)} mutations refuted"
        self.line.end(f"{outcome}, {found.seconds:.1f} s")


def _write(report: Report, output: ReportFormat, columns: str | None, out: Path | None, figures: bool) -> int | None:
    """Write a report to stdout, or atomically to a file; return the signal that ended the drawing of its figures."""
    if out is None:
        return _show(report, output, columns, figures)
    text = io.StringIO()
    with redirect_stdout(text):
        stopped_by = _show(report, output, columns, figures)
    write_atomically(out, text.getvalue())
    show_path(out)
    return stopped_by


def _show(report: Report, output: ReportFormat, columns: str | None, figures: bool) -> int | None:
    if output is not ReportFormat.html:
        show_report(report, Format(output), columns)
        return None
    from neurondeath.paper_check.report_figures import Pictures, draw_pictures  # loaded for the page only
    from neurondeath.paper_check.report_page import page

    drawn = figures and report.finished and not report.self_test
    pictures = draw_pictures(report) if drawn else Pictures()
    print(page(report, pictures))
    return pictures.stopped_by
