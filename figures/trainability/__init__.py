"""Figures on trainability: what plain, critical residual and mirrored networks do to signals and gradients at birth."""
