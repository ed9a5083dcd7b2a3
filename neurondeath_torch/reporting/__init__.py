"""Reports of dead units where people log their training: one watch, its writers, and callbacks of trainers."""
