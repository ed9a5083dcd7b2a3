"""The studies behind the claims on training: their configurations, their tables, and how to run them again."""
