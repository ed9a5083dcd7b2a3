"""Methods that act while a network trains: pruning, stripping, removing and recycling units."""
