"""Change the words of an invocation."""

__all__ = ["arguments_of", "set_option", "without_option"]


def without_option(words, option):
    """Remove an option with its value."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word == option:
            skip = True
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept


def set_option(words, option, value):
    """Set an option to one value in place of those it has; a value that looks like an option is joined by `=`."""
    given = [f"{option}={value}"] if value.startswith("-") else [option, value]
    return [*without_option(words, option), *given]


def arguments_of(words, flags):
    """Return the positions of the words that are arguments, not options or their values."""
    positions, skip = [], False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word not in flags
        else:
            positions.append(position)
    return positions
