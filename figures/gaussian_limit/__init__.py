"""Figures of wide sparse networks: their maps, designs and finite width."""
