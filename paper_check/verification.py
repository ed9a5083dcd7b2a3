"""Check claims: run the checkers of each, combine their evidence, and run the checkers on wrong versions of it.

The verdict of a claim: ERROR when any check failed or compared nothing; else REFUTED when any check refutes; else
BOUNDED when a route shows the effect to be smaller than the bound that the claim states (`effect_bounds`); else
CONFIRMED when one of its routes confirms, which requires all checks of that route to confirm, as each covers a part of
the claim; else INCONCLUSIVE; without checks NOT TESTED. A route whose checks are in part BOUNDED, in part CONFIRMED is
BOUNDED; one with an INCONCLUSIVE check is INCONCLUSIVE. A mutation is a deliberately wrong version of a claim: if its
verdict is not REFUTED, the checkers would not have detected an error in the paper.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from neurondeath.paper_check.changed_claims import changed_claims
from neurondeath.paper_check.checked_claims import CheckedClaim, CheckedMutation, Report
from neurondeath.paper_check.claims import Check, Claim, Mutation, packaged_claims, read_claims, select_claims
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.effect_bounds import bounded_evidence
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict, sound_evidence
from neurondeath.paper_check.formulas import work_limit
from neurondeath.paper_check.time_limit import time_limit
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import check_workers
from neurondeath_theory.foundation.interruption import Interrupted, signal_of
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.progress import notebook_progress
from neurondeath_theory.foundation.validation import check_count, check_flag, check_real, invalid
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["check", "check_claim", "check_mutation", "overall"]

FALSE_ALARM = 1e-6  # of each check that samples
MOST_SECONDS = 120  # of a check by computer algebra; ours take at most ten
LONGEST_ERROR = 1000  # characters of the message of a checker that failed


def check(
    only: str | Sequence[str] | None = None,
    *,
    paper: str | None = None,
    full: bool = False,
    seed: int = 0,
    self_test: bool = False,
    claims: str | Path | Sequence[Claim] | None = None,
    workers: int | str | None = None,
    store: str | Path | None = None,
    studies: str | Path | None = None,
    retrain: bool = False,
    data_dir: str | Path | None = None,
    false_alarm: float = FALSE_ALARM,
    changes: Mapping[str, Any] | None = None,
    progress: Callable[[Claim, CheckedClaim | None], None] | None = None,
) -> Report:
    """Check claims of the papers by machine.

    Parameters
    ----------
    only : str or sequence of str, optional
        Ids of claims, as "R1" or ["R1", "R2"]; all by default.
    paper : str, optional
        Only the claims of this paper, as "rister2020".
    full : bool
        More points and trials.
    seed : int
        Of all random numbers, at least 0.
    self_test : bool
        Check the claims' mutations in place of the claims: every one must come out REFUTED.
    claims : path or sequence of Claim, optional
        Check these in place of the packaged claims; a path names a TOML file (see `neurondeath.paper_check.claims`).
    workers : int, optional
        Threads of the simulations; all cores by default.
    store : path, optional
        Results store of the simulations, so that a second run samples nothing twice; by default a temporary one.
    studies : path, optional
        Folder with tables of studies (`neurondeath study`) for the claims on training; by default the packaged ones.
    retrain : bool
        Run the studies that the claims name again, at a reduced size that takes minutes, and check the claims with
        their results; a claim that they leave INCONCLUSIVE counts as expected. Needs the extra `torch`; not allowed
        with a self-test.
    data_dir : path, optional
        Folder of the MNIST files, for `retrain`.
    false_alarm : float
        Probability with which a check that samples may refute a true claim, in (0, 0.1].
    changes : mapping of str to value, optional
        Parameters of the checks to change, as {"init": "orthogonal"}: the verdict under another assumption. Checks
        that do not know them are left out; not allowed with a self-test.
    progress : callable, optional
        Called with each claim before it is checked, and with the result afterwards; by default a notebook shows a bar.

    Returns
    -------
    Report
        Verdicts and evidence; an interrupted run returns what was finished, with `finished` False.

    Raises
    ------
    InvalidArgumentError
        If an argument is outside its domain, or a claims file violates its format.
    StoreError
        If the store cannot be used.
    MissingExtraError
        If `retrain` is requested without PyTorch.

    Examples
    --------
    >>> print(check("L5"))
    1 claim: 1 CONFIRMED
    """
    known = packaged_claims() if claims is None else read_claims(claims) if isinstance(claims, (str, Path)) else claims
    wanted = select_claims(
        list(known), only=None if only is None else [only] if isinstance(only, str) else list(only), paper=paper
    )
    self_test = check_flag("self_test", self_test)
    if changes:
        if self_test:
            raise invalid("changes", "be left out of a self-test", dict(changes))
        wanted = changed_claims(wanted, changes)
    if check_flag("retrain", retrain) and (self_test or studies is not None):
        raise invalid("retrain", "be used without a self-test and without studies", retrain)
    if studies is not None and not Path(studies).is_dir():
        raise invalid("studies", "name a folder that exists", str(studies))
    setting = Setting(
        full=check_flag("full", full),
        seed=check_count("seed", seed, least=0),
        false_alarm=check_real("false_alarm", false_alarm, low=0.0, high=0.1, low_open=True),
        workers=check_workers("workers", workers),
        studies=None if studies is None else Path(studies),
    )
    started = time.monotonic()
    found: list[CheckedClaim] = []
    stopped_by: int | None = None
    with TemporaryDirectory(prefix="neurondeath-check-") as folder:
        path = Path(folder) / "simulations.sqlite" if store is None else Path(store)
        Store(path).close()  # an unusable store is reported now, not as an error of every claim
        setting = replace(setting, store=path, studies=Path(folder) if retrain else setting.studies)
        try:
            if retrain:
                _retrain(wanted, Path(folder), data_dir)
            with (
                threadpool_limits(limits=1, user_api="blas"),  # more only slow down such small matrices
                notebook_progress("claims", len(wanted)) as shown,
            ):
                for claim in wanted:
                    if progress is not None:
                        progress(claim, None)
                    found.append(_self_test(claim, setting) if self_test else check_claim(claim, setting))
                    if progress is not None:
                        progress(claim, found[-1])
                    elif shown is not None:
                        shown.step()
        except (KeyboardInterrupt, Interrupted) as error:  # the finished claims are reported
            stopped_by = error.exit_code - 128 if isinstance(error, Interrupted) else signal_of(error)
    return Report(
        claims=tuple(found),
        setting=setting,
        self_test=self_test,
        n_wanted=len(wanted),
        seconds=time.monotonic() - started,
        stopped_by=stopped_by,
        changes=dict(changes or {}),
    )


def check_claim(claim: Claim, setting: Setting) -> CheckedClaim:
    """Run the checks of a claim; a checker that fails yields evidence with the verdict ERROR."""
    started = time.monotonic()
    evidence = tuple(_run(one, setting, claim.bound) for one in claim.checks)
    return CheckedClaim(claim=claim, verdict=overall(evidence), evidence=evidence, seconds=time.monotonic() - started)


def check_mutation(claim: Claim, mutation: Mutation, setting: Setting) -> CheckedMutation:
    """Run the checks of a claim with the parameters of a mutation."""
    started = time.monotonic()
    evidence = tuple(_run(one, setting, claim.bound) for one in claim.mutated(mutation))
    return CheckedMutation(
        mutation=mutation, verdict=overall(evidence), evidence=evidence, seconds=time.monotonic() - started
    )


def overall(evidence: Sequence[Evidence]) -> Verdict:
    """Combine all evidence into one verdict, by the rule above.

    Examples
    --------
    >>> none, two = (
    ...     Evidence(route="symbolic", verdict=Verdict.CONFIRMED, summary="", points=points) for points in (0, 2)
    ... )
    >>> overall([two]).value, overall([two, none]).value, overall([]).value
    ('CONFIRMED', 'ERROR', 'NOT TESTED')
    >>> undecided = replace(two, verdict=Verdict.INCONCLUSIVE)
    >>> overall([two, undecided]).value, overall([two, replace(undecided, route="training")]).value
    ('INCONCLUSIVE', 'CONFIRMED')
    >>> overall([two, replace(two, verdict=Verdict.BOUNDED)]).value
    'BOUNDED'
    """
    if not evidence:
        return Verdict.NOT_TESTED
    routes: dict[str, list[Verdict]] = {}
    for one in evidence:
        routes.setdefault(one.route, []).append(Verdict.ERROR if one.points < 1 else one.verdict)
    verdicts = [all_of(parts) for parts in routes.values()]
    for decisive in (Verdict.ERROR, Verdict.REFUTED, Verdict.BOUNDED, Verdict.CONFIRMED):
        if decisive in verdicts:
            return decisive
    return Verdict.INCONCLUSIVE


def _retrain(claims: Sequence[Claim], folder: Path, data_dir: str | Path | None) -> None:
    """Run every study that a claim names, at its reduced size."""
    run_study = import_or_explain("neurondeath_torch.studies.running").run_study
    named: dict[str, None] = {}
    for claim in claims:
        for one in claim.checks:
            if one.route == "training":
                study = one.parameters.get("study")
                if not isinstance(study, str):
                    raise invalid(f"claim {claim.id}, study", "name the study to run again", study)
                named[study] = None
    for name in named:
        run_study(name, store=folder / f"{name}.runs.sqlite", folder=folder, quick=True, data_dir=data_dir)


def _self_test(claim: Claim, setting: Setting) -> CheckedClaim:
    mutations = tuple(check_mutation(claim, mutation, setting) for mutation in claim.mutations)
    return CheckedClaim(
        claim=claim,
        verdict=Verdict.NOT_TESTED,
        evidence=(),
        mutations=mutations,
        seconds=sum(mutation.seconds for mutation in mutations),
    )


def _run(one: Check, setting: Setting, bound: float | None) -> Evidence:
    """Call a checker; any failure in it becomes evidence. A check's own bound replaces that of its claim."""
    try:
        module, function = one.checker.split(":")
        with work_limit(), time_limit(MOST_SECONDS) if one.route == "symbolic" else nullcontext():
            found = getattr(import_module(module), function)(setting=setting, **one.parameters)
            evidence = sound_evidence(found)
    except Interrupted:
        raise
    except (Exception, SystemExit) as error:  # SystemExit: of a module that is a program
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return Evidence(
            route=one.route,
            verdict=Verdict.ERROR,
            summary=visible(f"{one.checker}: {message}")[:LONGEST_ERROR],
            points=0,
        )
    if evidence.points < 1:
        return replace(evidence, verdict=Verdict.ERROR, summary=f"compared nothing: {evidence.summary}")
    if evidence.route != one.route:
        message = f"{one.checker} uses the route {evidence.route}, the claim states {one.route}"
        return replace(evidence, verdict=Verdict.ERROR, summary=message)
    bound = bound if one.bound is None else one.bound
    return evidence if bound is None else bounded_evidence(evidence, bound)
