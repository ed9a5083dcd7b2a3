"""Long work in a notebook: a bar that is replaced in place, results that fold, calls as code."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

import neurondeath as nd
from neurondeath_theory.foundation import notebook_display, progress
from neurondeath_theory.foundation.notebook_tables import notebook_table


class Outputs:
    """What a notebook would show: one list of states for each output."""

    def __init__(self):
        self.states = []

    def display(self, bundle, *, raw, display_id):
        assert raw
        assert display_id is True
        assert set(bundle) == {"text/html", "text/plain"}
        states = [bundle["text/html"]]
        self.states.append(states)
        return SimpleNamespace(update=lambda bundle, raw: states.append(bundle["text/html"]))


@pytest.fixture
def notebook(monkeypatch):
    """Make this process look like the kernel of a notebook."""
    outputs, module = Outputs(), ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(kernel=object())
    module.display = SimpleNamespace(display=outputs.display)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setattr(notebook_display, "PATIENCE", 0.0)
    monkeypatch.setattr(notebook_display.NotebookBar, "seconds", 0.0)
    monkeypatch.setattr(progress, "_maker", progress._usual)
    return outputs


def test_only_a_kernel_is_a_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    assert not notebook_display.in_notebook()
    sys.modules["IPython"].get_ipython = lambda: None
    assert not notebook_display.in_notebook()
    sys.modules["IPython"].get_ipython = lambda: SimpleNamespace()  # IPython in a terminal
    assert not notebook_display.in_notebook()


def test_nothing_is_imported():
    shown = "nd.survival_bounds(width=2, depth=2)._repr_html_()"
    program = f"import sys, neurondeath as nd; {shown}; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_simulations_show_one_bar_in_place(notebook, capsys):
    nd.simulate(nd.Network(width=3, depth=4), trials=50, workers=1)
    (states,) = notebook.states
    assert len(states) >= 2
    assert all("<progress " in state for state in states)
    assert 'value="1.0000"' in states[-1]
    assert "tasks 1/1, 50/50 trials" in states[-1]
    nd.simulate(nd.Network(width=3, depth=4), trials=50, workers=1, quiet=True)
    assert len(notebook.states) == 1
    nd.sweep(width=[2, 3], depth=[2], trials=20, workers=1)
    assert "tasks 2/2" in notebook.states[-1][-1]
    assert capsys.readouterr().err == ""


def test_trainings_audits_forecasts_and_checks_show_a_bar(notebook):
    torch = pytest.importorskip("torch")
    nd.train(nd.Experiment(epochs=2))
    assert "training, epoch 2/2" in notebook.states[-1][-1]
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    nd.audit(model, [torch.randn(8, 2) for _ in range(3)])
    assert "audit, batch 3/3" in notebook.states[-1][-1]
    assert ", about 0 s left" in notebook.states[-1][0]
    nd.trainability(nd.Network(width=4, depth=2), networks=2, remedies=False)
    assert "networks, 2/2" in notebook.states[-1][-1]
    nd.check(["R12"])
    assert len(notebook.states) == 3  # a single claim ends as soon as it is counted
    with nd.UnitWatch(model, every=1, expected_dead=1.0, falling=0.0) as watch:
        for _ in range(3):
            model(torch.randn(8, 2))
            watch.step()
    assert len(notebook.states[-1]) == 3
    assert "step 3: 0 of 4 units dead, 0 alarms" in notebook.states[-1][-1]


def test_short_work_shows_none(notebook, monkeypatch):
    monkeypatch.setattr(notebook_display, "PATIENCE", 60.0)
    nd.simulate(nd.Network(width=3, depth=4), trials=50)
    assert notebook.states == []


def test_texts_are_escaped_and_messages_are_lines(notebook, capsys):
    bar = progress.new_display()
    bar.update(0.5, "<b>", "a & b")
    bar.say("an alarm")
    bar.close()
    assert "&lt;b&gt;, a &amp; b" in notebook.states[0][0]
    assert capsys.readouterr().err == "an alarm\n"


def test_tables_fold_and_calls_are_code():
    html = notebook_table("line", {f"c{i}": [i] for i in range(12)}, calls=["f(<x>)  # why"])
    assert html.startswith(
        "<p>line</p><ul><li><code>f(&lt;x&gt;)</code> why</li></ul><details open><summary>1 row</summary>"
    )
    shown, folded = html.split("</details><details>")
    assert shown.count("<th ") == 10
    assert folded.startswith("<summary>2 columns hidden: c10, c11</summary>")
    assert folded.count("<th ") == 3  # the first column names the rows
    assert "<code>he_(model)</code>" in notebook_table("", {"remedy": ["he", "none"], "call": ["he_(model)", ""]})
    assert "<code></code>" not in notebook_table("", {"call": [""]})


def test_a_notebook_is_executed():
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("nbclient")
    notebooks = pytest.importorskip("nbformat").v4
    program = (
        "from neurondeath_theory.foundation import notebook_display\n"
        "notebook_display.PATIENCE = 0.0\n"
        "import neurondeath as nd\n"
        "nd.simulate(nd.Network(width=3, depth=4), trials=50, workers=1)"
    )
    book = notebooks.new_notebook(cells=[notebooks.new_code_cell(program)])
    client.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    bar, result = (output["data"]["text/html"] for output in book.cells[0].outputs)
    assert '<progress max="1" value="1.0000"' in bar
    assert "<details open>" in result
