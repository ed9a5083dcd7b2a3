"""Code shared by all packages: errors, validation, results, lazy imports, intervals, atomic files, interruption."""
