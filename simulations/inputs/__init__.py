"""Input sets: what a specification names, image files, and their download."""
