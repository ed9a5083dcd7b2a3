"""Files: what is missing, no regular file, damaged, foreign or forged, in every option that takes a path."""

from tests.faults.fuzz.cases import Case, Plant, base
from tests.faults.fuzz.contract import MARK
from tests.faults.fuzz.hostile_files import DAMAGES, GOOD, PLACES, RECIPES
from tests.faults.fuzz.invocations import BASES, hostile_words
from tests.faults.fuzz.parameters import parameters
from tests.faults.fuzz.words import arguments_of, set_option, without_option

__all__ = ["make"]

# subcommand -> option or "" -> role of the file; an option of kind path that is not listed has the role "any"
ROLES = {
    "bounds": {"--inputs": "array"},
    "advise": {"--inputs": "array"},
    "forecast": {"": "model", "--inputs": "array", "--data": "array", "--weights": "weights", "--data-dir": "images"},
    "simulate": {"--inputs": "array", "--grid": "grid", "--store": "store", "--data-dir": "images"},
    "results": {"": "store", "--export": "out"},
    "merge": {"": "store"},
    "plot": {"": "store", "--out": "out"},
    "fetch": {"--data-dir": "images", "--address": "address"},
    "figures": {"--out": "tables"},
    "check": {"--claims": "claims", "--out": "out", "--store": "store", "--studies": "study", "--data-dir": "images"},
    "lint": {"": "model", "--inputs": "array"},
    "audit": {"": "model", "--data": "array", "--weights": "weights", "--picture": "out"},
    "train": {"": "experiments", "--store": "runs", "--checkpoints": "folder", "--data-dir": "images"},
    "study": {"--out": "folder", "--store": "runs", "--data-dir": "images", "--save": "out"},
    "runs": {"": "runs"},
}
ENDINGS = {
    "array": (".npy", ".npz", ".npy", ".txt", ""),
    "store": (".sqlite", ""),
    "runs": (".sqlite", ""),
    "grid": (".toml", ""),
    "claims": (".toml", ""),
    "experiments": (".toml", ""),
    "model": (".py", ".py", ".py", ".txt"),
    "weights": (".pt", ""),
    "out": (".csv", ".json", ".png", ".svg", ".pdf", ".html", ".parquet", "", ".gif"),
}
PATHS = (*hostile_words["paths"], "x" * 300, "a/" * 3000 + "b", MARK, "\udcff")
ANSWERS, ADDRESSES = hostile_words["answers"], hostile_words["addresses"]
IMAGE_FILES = ("train-images-idx3", "train-images-idx3", "train-labels-idx1", "t10k-images-idx3")
STUDIES = ("sparse_training", "dead_units", "demon_pruning", "stripping", "activation")
WITH_SIDE = ("-wal", "-shm", "-journal")


def make(choose, subcommand, identity):
    """Draw a case with a hostile file."""
    roles = dict(ROLES.get(subcommand, {}))
    for one in parameters(subcommand):
        if one.kind == "path" and one.option:
            roles.setdefault(one.option, "any")
    extra = (Plant("plain_file", "text"), Plant("locked", "locked folder", choose.randrange(99)))
    if not roles:  # the subcommand reads no files: paths and files where it expects words
        option = choose.choice(
            [one.option for one in parameters(subcommand) if one.option and one.kind != "flag"] or [""]
        )
        value, plants, _ = _file(choose, subcommand, choose.choice(("array", "grid", "model", "any")))
        words, bad = base(choose, subcommand), None
        if option and choose.random() < 0.8:
            arguments, bad = set_option(words, option, value), (option, value)
        else:
            arguments = [*words[:-1], value]
        return Case(
            **identity, arguments=tuple(arguments), about=f"path {value[:40]!r}", plants=plants + extra, bad=bad
        )
    option, role = choose.choice(sorted(roles.items()))
    path, plants, about = _file(choose, subcommand, role)
    plants += extra
    value = _value(choose, subcommand, option, role, path)
    words = base(choose, subcommand)
    if role == "images":
        words = _needs_images(choose, subcommand, words)
    if role == "claims":
        words = []  # the ids of the claims are those of the file
    if role == "study":
        words = ["--only", choose.choice(("P9", "D6", "S6", "A1"))]
    if subcommand == "figures":
        words = choose.choice(
            (["collapse", "--redraw"], ["activations", "collapse", "--redraw"], ["collapse", "--quick"])
        )
    if subcommand == "study":
        words = [choose.choice(("dead_units", "list", "sparse_training", "stripping")), "--quick"]
    if option:
        arguments = set_option(words, option, value)
    else:
        flags = [word for one in parameters(subcommand) if one.kind == "flag" for word in (one.option, one.off)]
        with_arguments = [line for line in BASES[subcommand] if arguments_of(line.split(), flags)]
        if not arguments_of(words, flags) and with_arguments:
            words = choose.choice(with_arguments).split()
        places = arguments_of(words, flags) or [0]
        at = choose.choice(places)
        arguments = [*words[:at], value, *words[at + 1 :]]
    bad = None if value.startswith("-") and not option else (option, path)
    if role in ("tables", "images", "study") and plants[0].path != path:
        bad = None  # the file in the folder is bad, and named by its own path
    return Case(**identity, arguments=tuple(arguments), about=about, plants=plants, bad=bad, patience=8.0)


def _file(choose, subcommand, role):
    """Choose a hostile file of a role: its path, what to plant, and words for it."""
    seed = choose.randrange(1 << 30)
    if role == "address":
        path = f"{{mirror}}{choose.choice(ANSWERS)}/" if choose.random() < 0.6 else choose.choice(ADDRESSES)
        return path, (), f"address {path[:60]!r}"
    if choose.random() < 0.15:
        path = choose.choice(PATHS)
        return path, (), f"{role} at {path[:40]!r}"
    name = "hostile" + choose.choice(ENDINGS.get(role, ("",)))
    if role == "tables":
        if choose.random() < 0.3:
            return _place(choose, name, seed, role)
        recipe = (
            f"{choose.choice(DAMAGES)} good_tables/collapse.csv"
            if choose.random() < 0.6
            else choose.choice(sorted(PLACES))
        )
        return "tables", (Plant("tables/collapse.csv", recipe, seed),), f"table: {recipe}"
    if role == "images" and subcommand != "fetch" and choose.random() < 0.8:
        name = f"data/mnist/{choose.choice(IMAGE_FILES)}-ubyte.gz"
        recipe = choose.choice(RECIPES[role] if choose.random() < 0.8 else sorted(PLACES))
        return "data", (Plant(name, recipe, seed),), f"images: {recipe}"
    if role == "study" and choose.random() < 0.8:
        name = f"studies/{choose.choice(STUDIES)}.csv"
        recipe = choose.choice(RECIPES[role] + sorted(PLACES))
        return "studies", (Plant(name, recipe, seed),), f"study: {recipe}"
    kind = choose.random()
    if role in RECIPES and kind < 0.5:
        recipe = choose.choice(RECIPES[role])
        return name, (Plant(name, recipe, seed),), f"{role}: {recipe}"
    if role in GOOD and kind < 0.7:
        recipe = f"{choose.choice(DAMAGES)} {GOOD[role]}"
        return name, (Plant(name, recipe, seed),), f"{role}: {recipe}"
    if kind < 0.78:
        wrong = choose.choice(sorted(set(GOOD.values()) - {GOOD.get(role), "good_tables/collapse.csv"}))
        return wrong, (), f"{role}: {wrong}"
    if role in ("store", "runs") and kind < 0.83:
        side = choose.choice(WITH_SIDE)
        plants = (Plant(f"{GOOD[role]}{side}", choose.choice(("random bytes", "folder", "fifo", "zeros")), seed),)
        return GOOD[role], plants, f"{role}: {plants[0].recipe} as {side}"
    return _place(choose, name, seed, role)


def _needs_images(choose, subcommand, words):
    """Make an invocation read MNIST, where it can."""
    if subcommand == "simulate":
        return [*without_option(words, "--inputs"), "--inputs", "mnist:4"] if "--width" in words else words
    if subcommand == "study":
        return [choose.choice(("sparse_training", "sparse_grid")), "--quick"]
    return words


def _place(choose, name, seed, role):
    recipe = choose.choice(sorted(PLACES))
    return name, (Plant(name, recipe, seed),), f"{role}: {recipe}"


def _value(choose, subcommand, option, role, path):
    return f"{path}:build" if role == "model" and path not in ("", "-", "--") else path
