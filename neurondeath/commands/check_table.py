"""A report of `neurondeath check` as a table."""

from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout, Table
from neurondeath.paper_check.checked_claims import Report
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath.paper_check.report import report_data, tally

__all__ = ["report_columns", "show_report"]

LAYOUT = Layout(
    keys=("id",),
    priority=("verdict", "expected", "paper, route", "paper", "routes", "checks", "points", "seconds"),
    prose=("evidence", "mutation", "statement"),
)


def report_columns(*, self_test: bool) -> list[str]:
    """Return the names of the columns of a report, before there is one.

    Examples
    --------
    >>> report_columns(self_test=True)
    ['id', 'paper', 'mutation', 'verdict', 'checks', 'seconds']
    """
    return list(Report(claims=(), setting=Setting(), self_test=self_test, n_wanted=0, seconds=0.0).columns())


def show_report(report: Report, output: Format, columns: str | None) -> None:
    """Write a report; its table has a row for each claim, followed by rows for its evidence."""
    rows: list[tuple[str, str, str, str]] = []
    for item in report.claims:
        claim = item.claim
        if report.self_test:
            rows += [(claim.id, one.verdict.value, "", one.mutation.description) for one in item.mutations]
            if not item.mutations:
                rows.append((claim.id, "-", "", claim.reason or "no mutation"))
            continue
        recorded = item.as_expected and item.verdict != Verdict.CONFIRMED and not report.changes
        rows.append((claim.id, item.verdict.value, claim.paper, claim.statement))
        first = len(rows)
        rows += [("", "", one.route, f"{one.verdict.value}: {one.summary}") for one in item.evidence]
        if claim.erratum:
            rows.append(("", "", "erratum", claim.erratum))
        if claim.reason:
            rows.append(("", "", "reason", claim.reason))
        if recorded and len(rows) > first:
            rows[first] = ("", "as recorded", *rows[first][2:])
    head = ("id", "verdict", "" if report.self_test else "paper, route", "mutation" if report.self_test else "evidence")
    grouped = {name: [row[index] for row in rows] for index, name in enumerate(head) if name}
    title = f"{'self-test' if report.self_test else 'check'}, {'full' if report.setting.full else 'quick'}"
    title += f", seed {report.setting.seed}"
    title += "".join(f", {name} = {value}" for name, value in report.changes.items())
    show(
        report.columns(),
        output,
        chosen=columns,
        title=title,
        notes=[*_tally(report), *_unexpected(report)],
        layout=LAYOUT,
        tables=[Table(columns=grouped, title=title, layout=LAYOUT)],
        json=lambda: report_data(report),
    )


def _tally(report: Report) -> list[str]:
    """Count the verdicts of each paper, where there are several."""
    counts = tally(report)
    if len(counts) < 2:
        return []
    return [
        f"{paper}: " + ", ".join(f"{one[verdict]} {verdict.value}" for verdict in Verdict if verdict in one)
        for paper, one in counts.items()
    ]


def _unexpected(report: Report) -> list[str]:
    """Describe the verdicts that are not as expected."""
    if report.self_test:
        return [
            f"{item.claim.id}: a wrong version is not refuted ({one.mutation.description}): "
            + "; ".join(f"{found.verdict.value} by {found.route}: {found.summary}" for found in one.evidence)
            for item in report.claims
            for one in item.mutations
            if one.verdict != Verdict.REFUTED
        ]
    if report.changes:
        return [f"{item.claim.id}: with this change its checks give no answer" for item in report.unexpected]
    return [
        f"{item.claim.id}: {item.verdict.value}, but {item.claim.expected.value} is expected"
        for item in report.unexpected
    ]
