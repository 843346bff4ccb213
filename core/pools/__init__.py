"""Public pools (公海): records that nobody owns lie there until somebody claims them, and go back in time.

A plugin declares what is pooled, `Pooled`, and derives verbs, scopes, veils, the nightly job and pages
from it: docs/plugins/pools.md, and ADR 0025 for the reasons.
"""
