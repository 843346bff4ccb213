"""What lies in pools, and what follows from that."""

from __future__ import annotations

from core.fields import EntityDef
from core.plugins.contributions import NotificationKind, Schedule
from core.pools.declaring import Pooled
from core.pools.members import administered_scope, pool_scope
from core.pools.models import pool_sections
from core.pools.returns import Returning
from core.pools.veils import veil_of
from core.pools.verbs import assign_verb, claim_verb, move_verb, release_verb

from .models import Plot, PlotPool, PlotTransfer, warnings

PLOTS = Pooled(
    plugin="pool_sample",
    entity="plot",
    pools="plot_pool",
    transfers="plot_transfer",
    warnings=warnings,
    returns_page="pool_sample.returns",
    returns_right="pool_sample.see_returns",
)

plot = EntityDef(
    name="plot",
    model=Plot,
    label="Plot",
    label_plural="Plots",
    label_field="name",
    actions=(claim_verb(PLOTS), release_verb(PLOTS), move_verb(PLOTS), assign_verb(PLOTS)),
    scopes=(pool_scope(PLOTS),),
    veil=veil_of(PLOTS),
)
plot_pool = EntityDef(
    name="plot_pool",
    model=PlotPool,
    label="Pool of plots",
    label_plural="Pools of plots",
    label_field="name",
    sections=pool_sections(),
    scopes=(administered_scope(PLOTS),),
    shapes_access=True,
)
plot_transfer = EntityDef(
    name="plot_transfer",
    model=PlotTransfer,
    label="Change of hands",
    label_plural="Changes of hands",
    label_field="kind",
    parent_field="plot",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    audited=False,
    navigable=False,
)

RETURNING = Returning(
    PLOTS,
    "Send plots back to their pools",
    soon=NotificationKind(
        "pool_sample.soon", "A plot goes back soon", "%(record)s goes back soon."
    ),
    returned=NotificationKind("pool_sample.returned", "A plot went back", "%(record)s went back."),
)
EVERY_NIGHT = Schedule("return", RETURNING.job.name, daily_at="02:30")
