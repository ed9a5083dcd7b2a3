"""Training experiments: labelled data, models, a loop that measures death, runs that are stored and resume."""
