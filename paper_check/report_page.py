"""A report as one self-contained HTML page: no network, no script, light or dark by the reader's setting, printable.

Claims and evidence may be anyone's. Every text of theirs passes through `page_text`, formulas through `formula_markup`;
names of classes and anchors are made here. A content security policy in the page forbids scripts, frames, forms and
every address outside it, so that a mistake in this file could not act either.
"""

import base64
import hashlib
import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from neurondeath.paper_check.checked_claims import CheckedClaim, Report
from neurondeath.paper_check.claims import Claim, bounds_of
from neurondeath.paper_check.evidence import Evidence, Verdict
from neurondeath.paper_check.formula_markup import formula_markup
from neurondeath.paper_check.page_text import anchor, page_text
from neurondeath.paper_check.papers import PAPERS
from neurondeath.paper_check.report import tally, versions
from neurondeath.paper_check.report_figures import Pictures
from neurondeath_theory.foundation.number_format import format_number

__all__ = ["page"]

MOST_ROWS = 300  # of a table of numbers; all of them are in the JSON report

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #57606a; --paper: #ffffff; --box: #f4f6f8; --line: #d0d7de;
  --good: #1a7f37; --bad: #b42318; --open: #8a5a00; --none: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9aa5b1; --paper: #0f1419; --box: #1a2129;
  --line: #36404b; --good: #4ac26b; --bad: #ff8078; --open: #e0a73f; --none: #9aa5b1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2.5rem) 4rem; max-width: 66rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin-top: 3rem; font-size: 1.25rem; line-height: 1.3; }
h3 { margin: 0; font-size: 1.05rem; }
a { color: inherit; }
.dim, figcaption, footer { color: var(--dim); font-size: 0.9rem; }
.wide { overflow-x: auto; }
article { margin: 1.25rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--box); }
header.claim { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: baseline; }
.badge { padding: 0 0.5rem; border: 1.5px solid; border-radius: 4px; font-size: 0.8rem; font-weight: 700;
  letter-spacing: 0.03em; white-space: nowrap; }
.CONFIRMED { color: var(--good); } .REFUTED, .ERROR { color: var(--bad); }
.INCONCLUSIVE, .BOUNDED { color: var(--open); } .NOT-TESTED { color: var(--none); }
math { font-size: 1.1rem; }
dl { margin: 0.5rem 0; } dt { color: var(--dim); font-size: 0.85rem; } dd { margin: 0 0 0.5rem; }
ul { margin: 0; padding-left: 1.2rem; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { padding: 0.15rem 0.6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
table.tally { margin: 1rem 0; }
code { font-size: 0.85rem; }
table.summary { width: 100%; } table.summary td { white-space: normal; border: 0; padding: 0.1rem 0.4rem 0.1rem 0; }
table.summary td:first-child { white-space: nowrap; }
section.evidence { margin-top: 0.75rem; padding-left: 0.75rem; border-left: 3px solid var(--line); }
section.evidence p { margin: 0.25rem 0; }
summary { cursor: pointer; color: var(--dim); font-size: 0.85rem; }
figure { margin: 1rem 0 0; } img { max-width: 100%; height: auto; border-radius: 4px; background: #ffffff; }
@media print { body { max-width: none; padding: 0; } article { break-inside: avoid-page; background: none; }
  details::details-content { content-visibility: visible; display: block; } }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-src 'none'; script-src 'none'; object-src 'none'"
)


def page(report: Report, pictures: Pictures | None = None) -> str:
    """Write a report as an HTML page.

    Parameters
    ----------
    report : Report
        Of claims, or of a self-test.
    pictures : Pictures, optional
        The figures that claims name, from `draw_pictures`; by default the page has none.

    Returns
    -------
    str
        The whole document.
    """
    pictures = Pictures() if pictures is None or report.self_test else pictures
    homes: dict[str, str] = {}  # a figure is shown with the first claim that names it; the others link to it
    for item in report.claims:
        homes.setdefault(item.claim.figure, item.claim.id)
    what = "Self-test of the checks" if report.self_test else "The papers, verified by machine"
    body = [f"<h1>{what}</h1>", f"<p>{page_text(str(report))}.</p>", _how(report), _tally(report), _overview(report)]
    if pictures.stopped_by is not None:
        body.append('<p class="ERROR">Interrupted before all figures were drawn; all claims were checked.</p>')
    for paper in dict.fromkeys(item.claim.paper for item in report.claims):
        body.append(_paper(paper))
        body += [_claim(item, report, pictures.markup, homes) for item in report.claims if item.claim.paper == paper]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{what}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>"
    )


def _how(report: Report) -> str:
    numbers = "full" if report.setting.full else "quick"
    libraries = ", ".join(f"{name} {number}" for name, number in versions().items())
    changed = ", ".join(f"{name} = {value}" for name, value in report.changes.items())
    return (
        (f"<p>Changed: {page_text(changed)}; checks that do not know it are left out.</p>" if changed else "")
        + f'<p class="dim">Numbers of points and trials: {numbers}. Seed {report.setting.seed}. A check that samples '
        f"refutes a true claim with probability at most {report.setting.false_alarm:g}. "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {report.seconds:.0f} s. {page_text(libraries)}.</p>"
    )


def _overview(report: Report) -> str:
    rows = []
    for item in report.claims:
        verdict = _self_test_verdict(item) if report.self_test else item.verdict
        rows.append(
            f'<tr><td><a href="#claim-{anchor(item.claim.id)}">{page_text(item.claim.id)}</a></td>'
            f"<td>{_badge(verdict)}{_as_recorded(item, report)}</td>"
            f"<td>{page_text(item.claim.statement)}{_formula(item.claim)}</td></tr>"
        )
    return f'<nav aria-label="claims"><table class="summary">{"".join(rows)}</table></nav>'


def _tally(report: Report) -> str:
    """Count the verdicts of each paper."""
    counts = tally(report)
    if len(counts) < 2:
        return ""
    names = [verdict for verdict in Verdict if any(verdict in one for one in counts.values())]
    head = "".join(f'<th class="number">{verdict.value}</th>' for verdict in names)
    rows = "".join(
        f'<tr><td><a href="#paper-{anchor(paper)}">{page_text(paper)}</a></td>'
        + "".join(f'<td class="number">{one.get(verdict, 0)}</td>' for verdict in names)
        + "</tr>"
        for paper, one in counts.items()
    )
    table = f"<thead><tr><th>paper</th>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table class="tally">{table}</table></div>'


def _as_recorded(item: CheckedClaim, report: Report) -> str:
    """Mark a verdict other than CONFIRMED that is expected, and why."""
    if report.self_test or report.changes or not item.as_expected or item.verdict == Verdict.CONFIRMED:
        return ""
    return ' <span class="dim">as recorded</span>'


def _formula(claim: Claim) -> str:
    return f'<div class="wide">{formula_markup(claim.formula)}</div>' if claim.formula else ""


def _rerun(claim: Claim, report: Report) -> str:
    """Return the command that checks a claim of the papers again; a claim of a user's file needs its file."""
    if claim.paper not in PAPERS:
        return ""
    changed = "".join(f" --with {shlex.quote(f'{name}={value}')}" for name, value in report.changes.items())
    flags = f"{' --full' * report.setting.full}{' --self-test' * report.self_test}{changed}"
    command = f"neurondeath check --only {claim.id} --seed {report.setting.seed}{flags}"
    return f'<p class="dim"><code>{page_text(command)}</code></p>'


def _paper(key: str) -> str:
    paper = PAPERS.get(key)
    if paper is None:
        return f'<h2 id="paper-{anchor(key)}">{page_text(key)}</h2>'
    authors = "; ".join(re.sub(r"[{}\\']", "", name.replace(r"{\'e}", "é")) for name in paper.authors)
    title = re.sub("[{}]", "", paper.title)
    return (
        f'<h2 id="paper-{anchor(key)}">{page_text(title)}</h2>'
        f'<p class="dim">{page_text(authors)}, {paper.year}, <a href="{page_text(paper.url)}" rel="noreferrer">'
        f"arXiv {paper.arxiv}</a> [{page_text(key)}]</p>"
    )


def _claim(item: CheckedClaim, report: Report, pictures: Mapping[str, str], homes: Mapping[str, str]) -> str:
    claim = item.claim
    verdict = _self_test_verdict(item) if report.self_test else item.verdict
    parts = [
        f'<header class="claim"><h3>{page_text(claim.id)}</h3>{_badge(verdict)}{_as_recorded(item, report)}'
        f'<span class="dim">{page_text(claim.where)}; {item.seconds:.1f} s</span></header>',
        f"<p>{page_text(claim.statement)}</p>",
    ]
    parts += [_formula(claim), _terms(claim)]
    if report.self_test:
        for mutation in item.mutations:
            parts.append(f"<p>{_badge(mutation.verdict)} {page_text(mutation.mutation.description)}</p>")
            parts += [_evidence(one) for one in mutation.evidence]
    else:
        if not item.as_expected and not report.changes:
            parts.append(f'<p class="ERROR">Expected: {page_text(claim.expected.value)}.</p>')
        parts += [_evidence(one) for one in item.evidence]
    parts.append(_rerun(claim, report))
    if claim.figure in pictures and homes[claim.figure] == claim.id:
        parts.append(pictures[claim.figure])
    elif claim.figure in pictures:
        home = page_text(homes[claim.figure])
        parts.append(f'<p class="dim"><a href="#figure-{anchor(claim.figure)}">Figure with {home}</a></p>')
    return f'<article id="claim-{anchor(claim.id)}">{"".join(parts)}</article>'


def _terms(claim: Claim) -> str:
    terms = []
    if claim.assumptions:
        entries = "".join(f"<li>{page_text(assumption)}</li>" for assumption in claim.assumptions)
        terms.append(f"<dt>Assumptions</dt><dd><ul>{entries}</ul></dd>")
    bounds = ", ".join(f"{bound:g}" for bound in bounds_of(claim))
    for name, text in (
        ("Checked on", claim.domain),
        ("Bound stated before the run, below which the effect does not matter", bounds),
        ("Erratum", claim.erratum),
        ("Why not tested", claim.reason),
    ):
        if text:
            terms.append(f"<dt>{name}</dt><dd>{page_text(text)}</dd>")
    return f"<dl>{''.join(terms)}</dl>" if terms else ""


def _evidence(one: Evidence) -> str:
    points = f"{one.points} point" + ("s" if one.points != 1 else "")
    return (
        f'<section class="evidence"><p>{_badge(one.verdict)} <strong>{page_text(one.route)}</strong> '
        f'<span class="dim">{points}</span></p><p>{page_text(one.summary)}</p>{_numbers(one.numbers)}</section>'
    )


def _numbers(numbers: Mapping[str, Any]) -> str:
    rows = list(zip(*numbers.values(), strict=True))
    if not rows:
        return ""
    numeric = [all(not isinstance(value, str) for value in values) for values in numbers.values()]
    marks = [' class="number"' if is_number else "" for is_number in numeric]
    head = "".join(f"<th{mark}>{page_text(name)}</th>" for name, mark in zip(numbers, marks, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{mark}>{page_text(format_number(value, 8))}</td>" for value, mark in zip(row, marks, strict=True)
        )
        + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = f'<p class="dim">{len(rows) - MOST_ROWS} more rows</p>' if len(rows) > MOST_ROWS else ""
    return (
        f'<details><summary>{len(rows)} comparison{"s" if len(rows) != 1 else ""}</summary><div class="wide"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}</details>"
    )


def _self_test_verdict(item: CheckedClaim) -> Verdict:
    if not item.mutations:
        return Verdict.NOT_TESTED
    return next((one.verdict for one in item.mutations if one.verdict != Verdict.REFUTED), Verdict.REFUTED)


def _badge(verdict: Verdict) -> str:
    return f'<span class="badge {verdict.value.replace(" ", "-")}">{verdict.value}</span>'
