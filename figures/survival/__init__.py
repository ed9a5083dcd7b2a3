"""Figures of survival: will a ReLU network live."""
