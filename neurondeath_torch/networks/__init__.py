"""What every part needs of a network: its activations and weight layers, data run through it, who feeds whom."""
