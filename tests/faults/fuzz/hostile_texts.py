"""Hostile TOML files, experiments, grids and model files: name -> function that writes the file."""

__all__ = ["EXPERIMENTS", "GRIDS", "MODELS", "TEXTS", "writers"]


def writers(contents):
    """Turn contents into functions that write them."""

    def writer(data):
        return lambda path, choose: path.write_bytes(data if isinstance(data, bytes) else data.encode())

    return {name: writer(data) for name, data in contents.items()}


TEXTS = writers(
    {
        "toml of 20000 brackets": "a=" + "[" * 20000,
        "toml of 20000 tables": "[" + ".".join(["a"] * 20000) + "]",
        "toml of a huge number": "epochs = " + "9" * 100000,
        "toml with a repeated key": "epochs = 1\nepochs = 2",
        "toml without a value": "epochs =",
        "toml that is not UTF-8": b"epochs = 1 # \xff\xfe",
        "toml with a mark of order": "\ufeffepochs = 1",
        "toml in UTF-16": "epochs = 1".encode("utf-16"),
        "toml with a NUL": b"epochs = 1\x00",
        "toml with a control": 'epochs = "\x1b[31mRED"',
        "toml with an escaped control": 'name = "\\u001b[31mRED"\n"\\u001b[31mRED" = 3',
        "toml of a million items": "epochs = [" + "1," * 1000000 + "]",
        "toml of a long line": "# " + "x" * 5000000,
        "toml of dates": "epochs = 1979-05-27T07:32:00Z",
        "toml of an unknown key": "epcohs = 1",
        "toml of an empty table": "[[study]]\n[[claim]]\n",
        "toml of a wrong shape": "study = 3\nclaim = 3\nmodel = 3\n",
        "toml of carriage returns": "epochs = 1\r[data]\r",
    }
)


def _grid(**keys):
    known = {"width": "[3]", "depth": "[4]", "inputs": '["gaussian:8"]', **keys}
    return "[[study]]\n" + "".join(f"{key} = {value}\n" for key, value in known.items())


GRIDS = writers(
    {
        "grid with a negative width": _grid(width="[-3]"),
        "grid with a width of true": _grid(width="[true]"),
        "grid with a width of text": _grid(width='"3"'),
        "grid with a width of nan": _grid(width="[nan]"),
        "grid with a huge width": _grid(width="[10000000000000000000000]"),
        "grid of many tasks": _grid(width=str(list(range(1, 3000))), depth=str(list(range(1, 3000)))),
        "grid with an empty list": _grid(width="[]"),
        "grid with a control in a name": _grid(activation='["\\u001b[31mRED"]'),
        "grid with an unknown key": _grid(widht="[3]"),
        "grid with both widths": _grid(widths="[[3, 3]]"),
        "grid with deep widths": "[[study]]\nwidths = [[[3]]]\n",
        "grid with a missing file": _grid(inputs='["nowhere.npy"]'),
        "grid with a device": _grid(inputs='["/dev/zero"]'),
        "grid with infinite variance": _grid(init='"gaussian"', weight_variance="[inf]"),
        "grid with a stream of controls": _grid(stream='"\\u001b[31mRED"'),
        "grid with dates": _grid(width="[1979-05-27]"),
        "grid with a table for a list": _grid(width="{a = 3}"),
        "grid of nothing": "",
        "grid of studies that are a table": "[study]\nwidth = [3]\n",
    }
)


def _experiment(
    before="epochs = 1\nmeasure = 32\n", data="n_train = 64\nn_test = 32\n", model="width = 4\ndepth = 1\n", rest=""
):
    return f"{before}[data]\n{data}[model]\n{model}{rest}"


EXPERIMENTS = writers(
    {
        "experiment of -1 epochs": _experiment("epochs = -1\n"),
        "experiment of 1.5 epochs": _experiment("epochs = 1.5\n"),
        "experiment of true epochs": _experiment("epochs = true\n"),
        "experiment of 10^30 epochs": _experiment("epochs = 1" + "0" * 30 + "\n"),
        "experiment with infinite rate": _experiment(rest="[optimiser]\nlearning_rate = inf\n"),
        "experiment with rate nan": _experiment(rest="[optimiser]\nlearning_rate = nan\n"),
        "experiment with rate 1e308": _experiment(rest="[optimiser]\nlearning_rate = 1e308\n"),
        "experiment with huge width": _experiment(model="width = 2000000000\ndepth = 2\n"),
        "experiment with huge depth": _experiment(model="width = 2\ndepth = 2000000000\n"),
        "experiment with width 0": _experiment(model="width = 0\ndepth = 1\n"),
        "experiment with no data": _experiment(data="n_train = 0\n"),
        "experiment with too much data": _experiment(data="n_train = 999999999\n"),
        "experiment with a patch of 5": _experiment(model='kind = "vit"\npatch = 5\n'),
        "experiment with an unknown model": _experiment(model='kind = "\\u001b[31mRED"\n'),
        "experiment with an unknown key": _experiment(model="widht = 4\n"),
        "experiment with mnist": _experiment(data='name = "mnist"\n'),
        "experiment with a name of controls": 'name = "\\u001b[31mRED"\n' + _experiment(),
        "experiment with no seeds": "seeds = []\n" + _experiment(),
        "experiment with equal seeds": "seeds = [1, 1]\n" + _experiment(),
        "experiment with a negative seed": "seeds = [-1]\n" + _experiment(),
        "experiment with a huge seed": "seeds = [18446744073709551616]\n" + _experiment(),
        "experiment with an empty grid": _experiment(rest='[grid]\n"model.width" = []\n'),
        "experiment with a grid of nothing known": _experiment(rest='[grid]\n"model.nothing" = [1]\n'),
        "experiment with a grid of millions": _experiment(
            rest='[grid]\n"model.width" = '
            + f"{list(range(1, 2000))}\n"
            + '"model.depth" = '
            + f"{list(range(1, 2000))}\n"
        ),
        "experiment with a grid of numbers": _experiment(rest='[grid]\n"model.width" = 3\n'),
        "experiment with batch size 0": _experiment(rest="[optimiser]\nbatch_size = 0\n"),
        "experiment with validation 1": _experiment(data="n_train = 64\nvalidation = 1.0\n"),
        "experiment with sparsity 2": _experiment(model='activation = "shifted-relu"\nsparsity = 2\n'),
        "experiment of no epochs given": "[data]\nn_train = 10\n",
        "experiment with a text for a table": 'epochs = 1\nmodel = "mlp"\n',
    }
)

BUILD = "import torch\n\n\ndef build():\n    "
MODELS = writers(
    {
        "model with a syntax error": "def build(:\n",
        "model that raises": "raise RuntimeError('\\x1b[31mRED\\ntwo lines')\n",
        "model that raises in build": BUILD + "raise KeyError('x')\n",
        "model that returns nothing": BUILD + "return None\n",
        "model that returns a text": BUILD + "return '\\x1b[31mRED'\n",
        "model that is a linear layer": BUILD + "return torch.nn.Linear(4, 2)\n",
        "model without activations": BUILD + "return torch.nn.Sequential()\n",
        "model that fails forward": BUILD
        + "return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(7, 3))\n",
        "model of nan": BUILD
        + "m = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3))\n"
        "    torch.nn.init.constant_(m[0].weight, float('nan'))\n    return m\n",
        "model of infinities": BUILD
        + "m = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3))\n"
        "    torch.nn.init.constant_(m[0].weight, 3e38)\n    return m\n",
        "model that needs arguments": "def build(x, y):\n    return x\n",
        "model that is no function": "build = 3\n",
        "model that recurses": "def build():\n    return build()\n",
        "model that exits": "import sys\nsys.exit(3)\n",
        "model that exits in build": "import sys\n\n\ndef build():\n    sys.exit(3)\n",
        "model that warns": "import warnings\n"
        + BUILD
        + "warnings.warn('\\x1b[31mRED')\n    nn = torch.nn\n"
        + "    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))\n",
        "model with a NUL": "x = 1\n\x00\n",
        "model that is not UTF-8": b"x = '\xff'\n",
        "model with a missing import": "import nothing_of_this_name\n",
        "model of a scripted class": BUILD + "return torch.nn.Sequential\n",
        "model of conv on points": BUILD + "return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n",
        "model of names with controls": BUILD
        + "m = torch.nn.Sequential()\n    m.add_module('\\x1b[31mRED', torch.nn.Linear(4, 3))\n"
        "    m.add_module('b', torch.nn.ReLU())\n    m.add_module('c', torch.nn.Linear(3, 3))\n    return m\n",
    }
)
