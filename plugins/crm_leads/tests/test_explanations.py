"""Why somebody may take a lead: by a right of their own, in a pool that they share."""

from __future__ import annotations

from core.security.explain import explain


def test_a_lead_in_the_pool_is_claimed_by_its_members(unit_of_work, admin_id, team, make_leads):
    (lead,) = make_leads()
    with unit_of_work(admin_id, write=False) as uow:
        may = explain(uow, team.fu, "lead", lead, action="claim")
        may_not = explain(uow, team.ning, "lead", lead, action="claim")
        seen = explain(uow, team.fu, "lead", lead)
    assert (may.allowed, seen.allowed, may_not.allowed) == (True, True, False)
    assert any(part.holds for reason in may.reasons for part in reason.parts)
    ways = [part for reason in may_not.reasons[1:] for part in reason.parts]
    assert ways
    assert not any(way.holds for way in ways)
