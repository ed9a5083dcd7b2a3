"""Checkers: functions that take a claim's parameters and a `Setting`, and return `Evidence` of one route."""
