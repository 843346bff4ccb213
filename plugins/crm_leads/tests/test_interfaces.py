"""Leads over REST and on the generic pages."""

from __future__ import annotations

import pytest


def test_two_sellers_claim_over_rest(client, bearer, team, make_leads):
    """S-016: one 200, one 409 that names the first."""
    (lead,) = make_leads()
    path = f"/api/v1/records/lead/{lead}/actions/claim"
    first = client.post(path, json={}, headers=bearer(team.fu))
    second = client.post(path, json={}, headers=bearer(team.yan))
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.content_type == "application/problem+json"
    assert "傅宇恒" in second.get_data(as_text=True)
    gone = client.get(f"/api/v1/records/lead/{lead}", headers=bearer(team.yan))
    assert gone.status_code == 404


def test_a_pool_and_a_lead_in_it_are_made_over_rest(client, bearer, team, admin_id):
    headers = bearer(admin_id)
    pool = client.post(
        "/api/v1/records/lead_pool",
        json={"name": "展会公海", "members": [team.ning], "daily_claims": 1},
        headers=headers,
    )
    assert pool.status_code == 201
    lead = client.post(
        "/api/v1/records/lead",
        json={"company": "重庆鼎源机械", "province": "重庆市", "pool": pool.json["id"]},
        headers=headers,
    )
    assert lead.status_code == 201
    path = f"/api/v1/records/lead/{lead.json['id']}/actions/claim"
    assert client.post(path, json={}, headers=bearer(team.fu)).status_code == 404
    assert client.post(path, json={}, headers=bearer(team.ning)).status_code == 200


@pytest.mark.parametrize("entity", ["lead", "lead_pool", "campaign"])
def test_the_generic_pages_open(sign_in, make_leads, team, entity):
    (lead,) = make_leads()
    browser = sign_in()
    addresses = {"lead": lead, "lead_pool": team.pool}
    assert browser.get(f"/r/{entity}").status_code == 200
    if entity in addresses:
        assert browser.get(f"/r/{entity}/{addresses[entity]}").status_code == 200


def test_the_list_is_read_with_few_statements(client, bearer, team, make_leads, runtime):
    """The number does not grow with the rows."""
    from sqlalchemy import event

    headers, counted = bearer(team.fu), []
    for n in (3, 40):
        make_leads(n)
        client.get("/api/v1/records/lead?limit=50", headers=headers)
        statements = []

        def note(*arguments, statements=statements):
            statements.append(arguments[2])

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            answer = client.get("/api/v1/records/lead?limit=50", headers=headers)
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        assert answer.status_code == 200
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 10
