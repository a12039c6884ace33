"""Bytes on the socket: how requests come in and answers go out."""
