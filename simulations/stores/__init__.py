"""The results store: shards, the file that contains them, merging."""
