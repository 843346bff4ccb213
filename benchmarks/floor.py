"""The floor: the same reads and writes by hand, bare Flask over the driver, without rights."""

from __future__ import annotations

import os
import sqlite3
import threading
from decimal import Decimal
from typing import Any

import psycopg
from flask import Flask, request
from flask.json.provider import DefaultJSONProvider
from psycopg.rows import dict_row

app = Flask(__name__)
URL = os.environ["FLOOR_DATABASE_URL"]
SQLITE = URL.startswith("sqlite")
held = threading.local()


class Provider(DefaultJSONProvider):
    """JSON with decimals as text."""

    @staticmethod
    def default(o: Any) -> Any:
        return str(o) if isinstance(o, Decimal) else DefaultJSONProvider.default(o)


app.json = Provider(app)

LIST = """
    SELECT l.id, l.company, l.contact_name, l.mobile, l.status, l.source, l.expected_amount,
           l.created_at, l.owner_id, u.name AS owner, l.pool_id, p.name AS pool
    FROM crm_leads_lead l
    LEFT JOIN core_user u ON u.id = l.owner_id
    LEFT JOIN crm_leads_lead_pool p ON p.id = l.pool_id
"""
FILTER = " WHERE l.archived_at IS NULL AND l.status = %s AND l.company LIKE %s"


def connection() -> Any:
    """The connection of this thread."""
    if not hasattr(held, "connection"):
        held.connection = _open()
    return held.connection


def _open() -> Any:
    if not SQLITE:
        return psycopg.connect(URL, row_factory=dict_row, autocommit=True)
    opened = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    opened.execute("PRAGMA synchronous=NORMAL")
    opened.execute("PRAGMA cache_size=-32000")
    opened.row_factory = lambda cursor, row: dict(
        zip((column[0] for column in cursor.description), row, strict=True)
    )
    return opened


def rows(statement: str, values: Any = ()) -> list[dict[str, Any]]:
    """The rows of a statement written for psycopg."""
    if SQLITE:
        statement = statement.replace("%s", "?").replace("now()", "datetime('now')")
    found: list[dict[str, Any]] = connection().execute(statement, values).fetchall()
    return found


@app.get("/list")
def listed() -> Any:
    """W2."""
    where, values = " WHERE l.archived_at IS NULL", []
    if "status" in request.args:
        where, values = FILTER, [request.args["status"], f"%{request.args['contains']}%"]
    found = rows(LIST + where + " ORDER BY l.created_at DESC, l.id DESC LIMIT 50", values)
    total = None
    if request.args.get("count"):
        counting = "SELECT count(*) AS n FROM crm_leads_lead l" + where
        total = rows(counting, values)[0]["n"]
    return {"items": found, "total": total}


@app.get("/one/<int:key>")
def one(key: int) -> Any:
    """W3."""
    return rows(LIST + " WHERE l.id = %s", [key])[0]


@app.post("/create")
def create() -> Any:
    """W1."""
    body = request.get_json()
    made = rows(
        "INSERT INTO crm_leads_lead (company, mobile, status, version, created_at, updated_at)"
        " VALUES (%s, %s, 'new', 1, now(), now()) RETURNING id",
        [body["company"], body["mobile"]],
    )
    return made[0], 201


@app.get("/sums")
def sums() -> Any:
    """W5."""
    return rows(
        "SELECT status, owner_id, count(*) AS n, sum(expected_amount) AS total FROM crm_leads_lead"
        " WHERE archived_at IS NULL GROUP BY 1, 2"
    )
