#!/usr/bin/env python3
"""Load the sample "CRM Sales Opportunities": agents as people, accounts as leads.

    .venv/bin/python docs/samples/crm-sales-opportunities/load.py FOLDER

works on the installation that ``DOUGONG_HOME`` names, with the plugin ``crm_leads`` switched on.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.boot import boot
from core.entities import service
from core.exchange.commands import import_file
from core.ops.install import create_user, ensure_department
from core.security.actor import SYSTEM
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["load", "load_people"]

TOP = "Sales"
DOMAIN = "sales.example"


def load(runtime: Runtime, folder: Path) -> dict[str, Any]:
    """People first, then leads: ``{"people": n, "leads": the counts of the import}``."""
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
        people = load_people(uow, folder / "sales_teams.csv")
    leads = import_file(runtime, "lead", folder / "accounts.csv", actor=SYSTEM)
    return {"people": people, "leads": leads}


def load_people(uow: UnitOfWork, path: Path) -> int:
    """Agents and their managers, in ``Sales/<regional office>/<manager>``; how many were made.

    The file has no addresses, so they are made from the names; nobody gets a password.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    homes = {row["manager"]: f"{TOP}/{row['regional_office']}/{row['manager']}" for row in rows}
    for manager, home in homes.items():
        key = _person(uow, manager, "sales_manager", home)
        service.update(uow, "department", {ensure_department(uow, home): {"head": key}})
    for row in rows:
        _person(uow, row["sales_agent"], "sales", homes[row["manager"]])
    return len(homes) + len(rows)


def _person(uow: UnitOfWork, name: str, role: str, department: str) -> int:
    email = f"{name.lower().replace(' ', '.')}@{DOMAIN}"
    return create_user(uow, email, name=name, password=None, roles=[role], department=department)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with accounts.csv and sales_teams.csv")
    result = load(boot(), parser.parse_args().folder)
    print(f"{result['people']} people")
    print(", ".join(f"{key} {value}" for key, value in result["leads"].items()))


if __name__ == "__main__":
    main()
