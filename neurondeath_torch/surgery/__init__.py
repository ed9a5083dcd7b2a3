"""Units removed or drawn anew, with everything that belongs to them, down to the optimiser's state."""
