"""From sufficient statistics to estimates with errors, beside the theory, and out into files."""
