"""The floor: the same reads and writes by hand, with bare Flask and psycopg, without rights."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import psycopg
from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider
from psycopg.rows import dict_row

app = Flask(__name__)


class Provider(DefaultJSONProvider):
    def default(self, o: Any) -> Any:  # type: ignore[override]
        return str(o) if isinstance(o, Decimal) else super().default(o)


app.json = Provider(app)
connections: dict[int, psycopg.Connection[Any]] = {}


def connection() -> psycopg.Connection[Any]:
    import threading

    key = threading.get_ident()
    if key not in connections:
        url = os.environ["FLOOR_DATABASE_URL"]
        connections[key] = psycopg.connect(url, row_factory=dict_row, autocommit=True)
    return connections[key]


LIST = """
    SELECT l.id, l.company, l.contact_name, l.mobile, l.status, l.source, l.expected_amount,
           l.created_at, l.owner_id, u.name AS owner, l.pool_id, p.name AS pool
    FROM crm_leads_lead l
    LEFT JOIN core_user u ON u.id = l.owner_id
    LEFT JOIN crm_leads_lead_pool p ON p.id = l.pool_id
"""
FILTER = " WHERE l.archived_at IS NULL AND l.status = %s AND l.company LIKE %s"


@app.get("/list")
def listed() -> Any:
    where, values = " WHERE l.archived_at IS NULL", []
    if "status" in request.args:
        where, values = FILTER, [request.args["status"], f"%{request.args['contains']}%"]
    order = " ORDER BY l.created_at DESC, l.id DESC LIMIT 50"
    rows = connection().execute(LIST + where + order, values).fetchall()
    total = None
    if request.args.get("count"):
        count = "SELECT count(*) AS n FROM crm_leads_lead l" + where
        total = connection().execute(count, values).fetchone()["n"]  # type: ignore[index]
    return {"items": rows, "total": total}


@app.get("/one/<int:key>")
def one(key: int) -> Any:
    return connection().execute(LIST + " WHERE l.id = %s", [key]).fetchone()


@app.post("/create")
def create() -> Any:
    body = request.get_json()
    row = connection().execute(
        "INSERT INTO crm_leads_lead (company, mobile, status, version, created_at, updated_at)"
        " VALUES (%s, %s, 'new', 1, now(), now()) RETURNING id",
        [body["company"], body["mobile"]],
    )
    return row.fetchone(), 201


@app.get("/sums")
def sums() -> Any:
    rows = connection().execute(
        "SELECT status, owner_id, count(*), sum(expected_amount) FROM crm_leads_lead"
        " WHERE archived_at IS NULL GROUP BY 1, 2"
    )
    return rows.fetchall()


@app.get("/healthz")
def healthz() -> Response:
    return Response("ok")
