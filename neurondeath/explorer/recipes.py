"""The lines that compute in Python, and on the command line, what the explorer shows of a design."""

from neurondeath.explorer.choices import Choice, design_of, network_of, points_of
from neurondeath_theory.networks.activations import options_of

__all__ = ["BATCHES", "command_lines", "python_lines", "simulation_trials", "trial_work"]

BATCHES = (1, 8, 64)  # of inputs, for the share of units that they need
TARGET_WORK = 1e10  # multiply-adds of a simulation; some ten seconds on one core
FEWEST_TRIALS, MOST_TRIALS = 20, 1000


def simulation_trials(choice: Choice) -> int:
    """Return the number of networks that the simulation of a design samples."""
    return int(min(max(TARGET_WORK / trial_work(choice), FEWEST_TRIALS), MOST_TRIALS))


def trial_work(choice: Choice) -> float:
    """Return the multiply-adds of one network on all inputs."""
    network = network_of(choice)
    pairs = zip(network.widths, network.fan_ins, strict=True)
    return float(points_of(choice).n_points * sum(width * fan_in for width, fan_in in pairs))


def python_lines(choice: Choice) -> str:
    """Return a program that prints what the page shows.

    Examples
    --------
    >>> print(python_lines(Choice(width=3, depth=20)))
    import neurondeath as nd
    <BLANKLINE>
    design = nd.sparse_design("relu", 0.5)
    network = nd.Network(width=3, depth=20, input_dim=3)
    print(design)
    print(nd.survival_bounds(width=3, depth=20, input_dim=3))
    print(nd.simulate(network, "gaussian:64", trials=1000, seed=0))
    print(nd.trainability(network, "gaussian:64", networks=8))
    print(nd.needed_units(design, [1, 8, 64], depth=20))
    """
    network, design = network_of(choice), design_of(choice)
    slope = "" if choice.v_prime is None else f", v_prime={choice.v_prime!r}"
    size = f"width={choice.width}, depth={choice.depth}, input_dim={network.input_dim}"
    law = size if choice.architecture == "plain" else f'{size}, architecture="{choice.architecture}"'
    stream = ""
    if choice.effective_depth is not None:
        stream = f", effective_depth={choice.effective_depth!r}"
        law += f"{stream}, input_mean_square={design.q!r}"
    if choice.activation != "relu":
        law += (
            ', activation=design.activation, init="gaussian", weight_variance=design.sigma_w2, '
            "bias_variance=design.sigma_b2"
        )
    lines = [
        "import neurondeath as nd",
        "",
        f'design = nd.sparse_design("{choice.activation}", {_sparsity(choice)!r}{slope})',
        f"network = nd.Network({law})",
        "print(design)",
    ]
    if choice.architecture == "plain" and choice.activation == "relu":
        lines.append(f"print(nd.survival_bounds({size}))")
    lines += [
        f'print(nd.simulate(network, "{choice.inputs}", trials={simulation_trials(choice)}, seed=0))',
        f'print(nd.trainability(network, "{choice.inputs}", networks=8))',
    ]
    if choice.architecture == "plain" or stream:
        lines.append(f"print(nd.needed_units(design, {list(BATCHES)}, depth={choice.depth}{stream}))")
    return "\n".join(lines)


def _sparsity(choice: Choice) -> float:
    """Return the sparsity to ask for; that of ReLU is one half."""
    return 0.5 if choice.sparsity is None else choice.sparsity


def command_lines(choice: Choice) -> str:
    """Return the commands that print what the page shows.

    Examples
    --------
    >>> print(command_lines(Choice(width=3, depth=20)))
    neurondeath bounds --width 3 --depth 20 --input-dim 3
    neurondeath eoc --activation relu
    neurondeath simulate --width 3 --depth 20 --input-dim 3 --inputs gaussian:64 --trials 1000 --seed 0
    neurondeath forecast --width 3 --depth 20 --input-dim 3 --inputs gaussian:64 --networks 8
    """
    network, design = network_of(choice), design_of(choice)
    size = f"--width {choice.width} --depth {choice.depth} --input-dim {network.input_dim}"
    law = f"{size} --inputs {choice.inputs}"
    if choice.architecture != "plain":
        law += f" --architecture {choice.architecture}"
    if choice.effective_depth is not None:
        law += f" --effective-depth {choice.effective_depth!r} --input-mean-square {design.q!r}"
    chosen = f"neurondeath eoc --activation {choice.activation}"
    if choice.activation != "relu":
        phi = design.activation
        shape = "".join(f" --{name} {phi.parameters[name]!r}" for name in options_of(phi.family))
        law += f" --activation {phi.family}{shape} --init gaussian --weight-variance {design.sigma_w2!r}"
        law += f" --bias-variance {design.sigma_b2!r}"
        chosen += f" --sparsity {choice.sparsity!r}"
    if choice.v_prime is not None:
        chosen += f" --v-prime {choice.v_prime!r}"
    lines = [
        chosen,
        f"neurondeath simulate {law} --trials {simulation_trials(choice)} --seed 0",
        f"neurondeath forecast {law} --networks 8",
    ]
    if choice.architecture == "plain" and choice.activation == "relu":
        lines.insert(0, f"neurondeath bounds {size}")
    return "\n".join(lines)
