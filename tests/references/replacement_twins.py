"""Second implementations of the rules that replace units, from the formulas of the papers, with loops and lists."""

import math
from fractions import Fraction


class ContinualBackpropTwin:
    """Algorithm 1 of Dohare et al. 2024 for one layer: utility, age, and the replacements that have added up."""

    def __init__(self, n_units, rate, maturity, decay):
        self.utility, self.age, self.owed = [0.0] * n_units, [0] * n_units, Fraction(0)
        self.rate, self.maturity, self.decay = Fraction(rate), maturity, decay

    def step(self, h, outgoing):
        """Take the activations of a batch (samples, units) and the weights that read them (readers, units)."""
        n_units = len(self.utility)
        for i in range(n_units):
            self.age[i] += 1
            size = sum(abs(row[i]) for row in h) / len(h)
            weight = sum(abs(row[i]) for row in outgoing)
            self.utility[i] = self.decay * self.utility[i] + (1 - self.decay) * size * weight
        eligible = [i for i in range(n_units) if self.age[i] > self.maturity]
        self.owed += len(eligible) * self.rate
        replaced = []
        while self.owed >= 1 and eligible:
            worst = min(eligible, key=lambda i: (self.utility[i], i))
            eligible.remove(worst)
            replaced.append(worst)
            self.utility[worst], self.age[worst] = 0.0, 0
            self.owed -= 1
        if not eligible and self.owed >= 1:
            self.owed = Fraction(0)
        return replaced


class SelfNormalisedTwin:
    """A unit of Farias and Jozefiak 2024: the list of its silences and its present one."""

    def __init__(self, level, longest, every):
        self.level, self.longest, self.every = level, longest, every
        self.silences, self.silence, self.has_fired, self.limit = [], 0, False, math.inf
        self.steps = 0

    def step(self, fired):
        """Take one step; return whether the unit is reset."""
        self.steps += 1
        if fired:
            if self.has_fired:
                self.silences.append(min(self.silence, self.longest))
            self.silence, self.has_fired = 0, True
        else:
            self.silence += 1
        if self.steps % self.every == 0:
            self.limit = next((a for a in range(1, self.longest + 1) if self.share(a) <= self.level), math.inf)
        limit = min(self.limit, self.longest + 1)
        if self.silence < limit:
            return False
        self.silences, self.silence, self.has_fired, self.limit = [], 0, False, math.inf
        return True

    def share(self, a):
        """Share of the silences, this one included, that last at least a steps."""
        return Fraction(1 + sum(length >= a for length in self.silences), 1 + len(self.silences))
