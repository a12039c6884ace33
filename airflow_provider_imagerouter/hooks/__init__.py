"""Hooks: the connection to ImageRouter, and the transport. What the bytes mean is in ``api``."""
