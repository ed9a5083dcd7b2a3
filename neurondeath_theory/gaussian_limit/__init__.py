"""Wide sparse networks: moments, maps, fixed points, the edge of chaos, finite-width corrections."""
