"""Training experiments: labelled data, models, a training loop that measures dead units, stored and resumable runs."""
