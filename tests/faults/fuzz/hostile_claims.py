"""Hostile files of claims: name -> function that writes the file."""

from tests.faults.fuzz.hostile_texts import writers

__all__ = ["CLAIMS"]

CHECKER = "neurondeath.paper_check.checkers.identities:holds_at_random_points"


def _claim(
    left="1",
    relation="<=",
    right="2",
    names='{ n = [1, 30, "integer"] }',
    head="",
    checker=CHECKER,
    route="high precision",
):
    return (
        f'[[claim]]\nid = "M1"\npaper = "mypaper"\nstatement = "x"\n{head}\n[[claim.check]]\nroute = "{route}"\n'
        f'checker = "{checker}"\n[claim.check.parameters]\nleft = "{left}"\n'
        f'relation = "{relation}"\nright = "{right}"\n'
        f"names = {names}\n"
    )


CLAIMS = writers(
    {
        "claim of an id only": '[[claim]]\nid = "X1"\n',
        "claim with 9**9**9**9": _claim("9**9**9**9"),
        "claim with a tower of n": _claim("n**n**n**n**n"),
        "claim with factorials": _claim("factorial(factorial(factorial(9)))"),
        "claim with a binomial": _claim("binomial(10**9, 5*10**8)"),
        "claim with a nested sum": _claim("Sum(Sum(i*j, (i, 1, 10**6)), (j, 1, 10**6))"),
        "claim with sin(10**10**8)": _claim("sin(10**10**8)"),
        "claim with code": _claim("__import__('os').system('touch formula_ran')"),
        "claim with attributes": _claim("n.__class__.__mro__"),
        "claim with a lambda": _claim("(lambda: 1)()"),
        "claim with 20000 brackets": _claim("(" * 20000 + "1" + ")" * 20000),
        "claim with 5000 signs": _claim("-" * 5000 + "1"),
        "claim with 5000 terms": _claim("+".join(["n"] * 5000)),
        "claim with a division by 0": _claim("1/0"),
        "claim with a pole": _claim("1/(n - n)"),
        "claim with gamma(-n)": _claim("gamma(-n)"),
        "claim with a complex number": _claim("sqrt(-n)"),
        "claim with an unknown name": _claim("n + zz"),
        "claim with a control": _claim("\\u001b[31mRED"),
        "claim with a text of controls": _claim(head='where = "\\u001b[31mRED"\nformula = "\\u001b[31mRED"'),
        "claim with a script": _claim(head='formula = "<script>alert(1)</script>\\\\href{javascript:alert(1)}{x}"'),
        "claim with a deep formula": _claim(head='formula = "' + "{" * 3000 + "x" + "}" * 3000 + '"'),
        "claim with a bad relation": _claim(relation="<>"),
        "claim with a bad route": _claim(route="magic"),
        "claim with bad names": _claim(names="3"),
        "claim with a reversed range": _claim(names='{ n = [30, 1, "integer"] }'),
        "claim with a huge range": _claim(names="{ n = [1, 1e308] }"),
        "claim with a range of nan": _claim(names="{ n = [nan, nan] }"),
        "claim with range of texts": _claim(names='{ n = ["a", "b"] }'),
        "claim with a checker that is missing": _claim(checker="neurondeath.nowhere:nothing"),
        "claim with a checker that is no function": _claim(checker="os:environ"),
        "claim with a checker that does not fit": _claim(checker="os:getcwd"),
        "claim twice": _claim() + _claim(),
        "claim without checks": '[[claim]]\nid = "M1"\npaper = "p"\nstatement = "x"\n',
        "claim with an empty id": _claim().replace('"M1"', '""'),
        "claim with an id of controls": _claim().replace('"M1"', '"\\u001b[31mRED"'),
        "claim with a long id": _claim().replace('"M1"', '"' + "M" * 100000 + '"'),
        "claim with a number for a text": _claim().replace('"mypaper"', "3"),
        "claim that is refuted": _claim("3"),
        "claim with an unknown figure": _claim(head='figure = "../../x"'),
    }
)
