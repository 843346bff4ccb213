"""``dougong dummy_plugin …``."""

from __future__ import annotations

import click


@click.command("greet")
@click.argument("name")
def greet(name: str) -> None:
    """Say hello."""
    click.echo(f"hello {name}")
