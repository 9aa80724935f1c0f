"""All rows, in the order in which they run."""

from checks import accounts, cluster, grants, metadata, policies, storage, timing, tokens

__all__ = ["accounts", "cluster", "grants", "metadata", "policies", "storage", "timing", "tokens"]
