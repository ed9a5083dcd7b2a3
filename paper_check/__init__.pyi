"""The public names of the verification, each once; `__init__` imports a name from here when it is asked for."""

from neurondeath.paper_check.checked_claims import Report as Report
from neurondeath.paper_check.citations import cite as cite
from neurondeath.paper_check.evidence import Evidence as Evidence
from neurondeath.paper_check.evidence import Verdict as Verdict
from neurondeath.paper_check.verification import check as check
