"""Running probes: worlds change their rights every few hundred, and the oracle is told anew."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from operations import OPERATIONS, TESTED, Probe
from oracle import Oracle
from worlds import populate, shuffle, tell

from core.security.actor import SYSTEM
from core.security.tokens import actor_of_token, create_token
from core.work.uow import Origin, UnitOfWork

#: So many probes are asked of one arrangement of rights.
PER_WORLD = 1000


@dataclass
class Findings:
    """What a run of probes has shown."""

    seed: int
    probes: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    differences: list[str] = field(default_factory=list)


def run(
    runtime: Any,
    app: Any,
    seed: int,
    count: int,
    *,
    only: tuple[str, ...] = (),
    stop_at: int = 5,
) -> Findings:
    """Ask ``count`` probes; ends early when ``stop_at`` differences are found."""
    rng, findings = random.Random(seed), Findings(seed)
    populate(runtime, seed)
    names = list(only or OPERATIONS)
    client = app.test_client()
    tokens = _tokens(runtime)
    while findings.probes < count and len(findings.differences) < stop_at:
        oracle = _remembering(Oracle(tell(runtime)))
        people = [key for key in oracle.world["users"] if key in tokens]
        actors = _actors(runtime, tokens)
        for _ in range(min(PER_WORLD, count - findings.probes)):
            user, name = rng.choice(people), rng.choice(names)
            probe = Probe(
                runtime, oracle, rng, user, rng.choice(TESTED), actors[user], client,
                {"Authorization": f"Bearer {tokens[user]}"},
            )  # fmt: skip
            got, expected = OPERATIONS[name](probe)
            findings.probes += 1
            findings.hits[name] += 1
            findings.refused += expected == "refused"
            if got != expected:
                findings.differences.append(_describe(name, probe, got, expected))
                if len(findings.differences) >= stop_at:
                    break
        shuffle(runtime, rng)
    return findings


def _remembering(oracle: Oracle) -> Oracle:
    """It is asked the same again and again, and within one world the answer stays."""
    for name in ("roles", "homes", "subordinates", "scopes", "may", "level"):
        setattr(oracle, name, cache(getattr(oracle, name)))
    return oracle


def _tokens(runtime: Any) -> dict[int, str]:
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test")) as uow:
        users = uow.entity("user").table
        keys = uow.execute(users.select().with_only_columns(users.c.id)).scalars().all()
        return {key: create_token(uow, key, title="probe").text for key in keys}


def _actors(runtime: Any, tokens: dict[int, str]) -> dict[int, Any]:
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test"), write=False) as uow:
        return {key: actor_of_token(uow, text) for key, text in tokens.items()}


def _describe(name: str, probe: Probe, got: Any, expected: Any) -> str:
    if isinstance(got, dict) and isinstance(expected, dict):
        keys = {key for key in {*got, *expected} if got.get(key) != expected.get(key)}
        got = {key: got.get(key, "-") for key in keys}
        expected = {key: expected.get(key, "-") for key in keys}
    elif isinstance(got, set) and isinstance(expected, set):
        got, expected = f"beyond: {got - expected}", f"missing: {expected - got}"
    roles = [role for role in probe.oracle.roles(probe.user)]
    return f"{name} on {probe.entity} by {probe.user}: got {got!r}, expected {expected!r}; {roles}"
