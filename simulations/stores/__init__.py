"""The results store: shards, the file that keeps them, merging."""
