"""What a refusal says: whether it names an option and shows a value, and which lines are progress."""

import re
import unicodedata

__all__ = ["is_conflict", "is_progress", "names", "shows"]

PROGRESS = re.compile(
    r"tasks \d|engine \w|hint: |\[\d+(/\d+)?\] |runs? \d|epoch |drew \d|picture: |\d+ figures? in|\d+ claims?: |store |"
    r"note: |training |\d+ of \d+ "
)
CONFLICT = re.compile(r"must be (used|left out|given)|without|together|only with|twice|once|in place of|instead")
SHOWN = 8  # characters of a value by which it is found in a message


def is_progress(line):
    """Whether a line of stderr is progress, a hint or a summary."""
    return bool(PROGRESS.match(line))


def is_conflict(message, words):
    """Whether a message is about options that do not go together, and names one of those that were given."""
    options = [word.split("=", 1)[0] for word in words if word.startswith("--")]
    return CONFLICT.search(message) is not None and any(names(message, option) for option in options)


def names(message, option):
    """Whether a message names an option as it was written, or one of its kind."""
    return re.search(rf"{re.escape(option)}(?![\w-])", message) is not None


def shows(message, value):
    """Whether a message shows a received value, or the first wrong part of it, escaped as it must be."""
    parts = [value, *re.split(r"[,;:=!<>/ ]+", value)]
    if any(form in message for part in parts if part.strip() for form in _heads(part)):
        return True
    try:
        number = float(value)
    except ValueError:
        return not value.strip()
    forms = [repr(number), f"{number:g}"]
    if abs(number) < 1e18:  # also false for nan
        forms.append(str(int(number)))
    return any(form in message for form in forms)


def _heads(part):
    """Return the beginning of a text in the forms that escape what is not visible, with and without quotation."""
    wrong = ("Cc", "Cf", "Cs", "Zl", "Zp")
    escaped = "".join(
        one.encode("unicode_escape").decode() if unicodedata.category(one) in wrong else one for one in part
    )
    return {escaped[:SHOWN], repr(part)[1:-1][:SHOWN], escaped.replace("\\", "\\\\")[:SHOWN]}
