"""The figures: each computes its data through theory and simulation, saves them, and draws."""
