"""The law of a random network and its activations."""
