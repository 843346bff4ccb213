"""A process that begins with GUARD_OFF in its environment goes without that guard."""

import os

if name := os.environ.get("GUARD_OFF"):
    from guards import take_away_here

    take_away_here(name)
