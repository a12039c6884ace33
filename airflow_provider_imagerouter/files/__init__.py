"""Bytes at a place: reading, fetching, storing."""
