"""Helpers of the tests: servers on loopback and pictures."""
