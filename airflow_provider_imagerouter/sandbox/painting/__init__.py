"""Pictures and videos that the sandbox makes."""
