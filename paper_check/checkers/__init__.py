"""Checkers: functions that take a claim's parameters and a `Setting`, and give `Evidence` of one route."""
