"""The layout of tables: any table in a terminal of any width, and tables without rows."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout, Table
from neurondeath.commands.terminal_table import table_lines
from neurondeath.commands.terminal_text import cell_len


def test_tables_without_rows(capsys):
    show({}, Format.table, title="nothing", chosen="a,b", json=dict)
    assert capsys.readouterr().out == "nothing\n"
    show({"a": []}, Format.table, chosen="a")
    assert capsys.readouterr().out == "a\n"
    show({"a": [1], "b": ["x"]}, Format.json)
    assert json.loads(capsys.readouterr().out) == {"rows": [{"a": 1, "b": "x"}]}


WORDS = st.text("abcdefghij-_.0123456789", min_size=1, max_size=24)
SENTENCES = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)


@st.composite
def random_tables(draw):
    n_rows = draw(st.integers(1, 4))
    names = draw(st.lists(WORDS, min_size=1, max_size=8, unique=True))
    prose = tuple(name for name in names if draw(st.booleans()) and draw(st.booleans()))
    columns = {}
    for name in names:
        numbers = st.one_of(st.none(), st.integers(-(10**9), 10**9), st.floats(allow_nan=True))
        cells = SENTENCES if name in prose else draw(st.sampled_from([numbers, WORDS]))
        columns[name] = draw(st.lists(cells, min_size=n_rows, max_size=n_rows))
    keys = tuple(names[: draw(st.integers(0, 2))])
    return Table(columns=columns, title=draw(SENTENCES), layout=Layout(keys=keys, prose=prose))


@given(random_tables(), st.integers(20, 300))
@settings(max_examples=150, deadline=None)
def test_any_table_in_any_terminal(table, width):
    def laid_out(width, **options):
        lines, hidden = table_lines(table, width, **options)
        return [line.text for line in lines], hidden

    piped, none_hidden = laid_out(None)
    assert none_hidden == 0
    assert len(piped) == 2 + len(next(iter(table.columns.values())))
    everything = Counter(" ".join(piped).split())
    for options in ({}, {"everything": True}):
        lines, hidden = laid_out(width, **options)
        assert all(cell_len(line) <= width or " " not in line.strip() for line in lines)
        found = Counter(" ".join(lines).split())
        assert set(found) <= set(everything)
        if not hidden:
            assert not everything - found
        else:
            assert not found - everything
            assert not options
