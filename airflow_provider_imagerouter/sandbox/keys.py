"""The keys of the sandbox's three accounts."""

from __future__ import annotations

RICH_KEY = "sandbox-rich-".ljust(64, "0")
"""Opens an account with $100."""

NEARLY_EMPTY_KEY = "sandbox-nearly-empty-".ljust(64, "0")
"""Opens an account with $0.001: enough for a few of the cheapest pictures."""

EMPTY_KEY = "sandbox-empty-".ljust(64, "0")
"""Opens an account that never had a deposit: only models that cost nothing run."""

MANAGEMENT_KEY = "sandbox-rich-management-".ljust(64, "0")
"""Makes further keys for the account with $100, and does nothing else."""
