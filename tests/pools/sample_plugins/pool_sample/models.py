"""A plot, the pools of plots, and who had which plot when."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, declared_attr

from core.fields import Choice, Entity, MultiChoice, Owned, Phone, Reference, Text, field
from core.fields.declare import entity_indexes
from core.pools.models import Pool, Pooling, Transfer, in_hands_index, in_pool_index, warning_table

VEILABLE = (Choice("phone", "Telephone"),)


class PlotPool(Pool):
    """Plots that nobody looks after."""

    __tablename__ = "pool_sample_plot_pool"
    veiled: Mapped[Any] = field(MultiChoice(choices=VEILABLE), label="Masked before claiming")


class Plot(Pooling, Entity, Owned):
    """A plot of land, and the telephone of its seller."""

    __tablename__ = "pool_sample_plot"
    name: Mapped[str | None] = field(Text(80), label="Name", required=True, searchable=True)
    phone: Mapped[str | None] = field(Phone(), label="Telephone", mask="3-4", searchable=True)
    pool: Mapped[int | None] = field(
        Reference("plot_pool"), label="Pool", table="pool_sample_plot_pool", column="pool_id"
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        name = cls.__tablename__
        return (*indexes, in_pool_index(name), in_hands_index(name), options)


class PlotTransfer(Transfer):
    """One change of hands of a plot."""

    __tablename__ = "pool_sample_plot_transfer"
    plot: Mapped[int | None] = field(
        Reference("plot", on_delete="cascade"),
        label="Plot",
        table="pool_sample_plot",
        column="plot_id",
    )
    pool: Mapped[int | None] = field(
        Reference("plot_pool"), label="Pool", table="pool_sample_plot_pool", column="pool_id"
    )


warnings = warning_table("pool_sample_warning", "pool_sample_plot")
