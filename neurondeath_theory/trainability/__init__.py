"""Will it learn: sizes of signal and gradient, angles, rank of the features, critical residual, mirrored weights."""
