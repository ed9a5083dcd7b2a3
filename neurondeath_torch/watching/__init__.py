"""Monitor a running model for dead units: definitions of dead units, the monitor and its report."""
