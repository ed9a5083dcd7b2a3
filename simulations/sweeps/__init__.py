"""Running many tasks: grids, goals, the driver and who does the work."""
