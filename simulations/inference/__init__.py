"""Trained networks run for inference, so that zeros save time: the chain of steps, its plan, and its file."""
