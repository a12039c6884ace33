"""Operators: parameters in, the engine, records out."""
