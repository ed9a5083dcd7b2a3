"""Running many tasks: grids, goals, the driver, and the pools of workers."""
