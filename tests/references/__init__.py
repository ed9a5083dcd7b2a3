"""Plain twins, reference implementations and the statistical helper of the tests."""
