"""What all packages share: errors, validation, results, lazy imports, intervals, atomic files, interruption."""
