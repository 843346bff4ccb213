"""Who may see and do what, told naively: plain Python over plain dictionaries, no product code.

A world has ``departments`` {id: {parent, head}}, ``users`` {id: {department, departments, roles}},
``roles`` {id: {admin, grants, fields}}, ``entities``, ``rows`` {entity: {id: row}},
``shares`` [{entity, record, user, department, level}] and ``deputies`` {(absent, deputy)}.
"""

from __future__ import annotations

from typing import Any

HIDDEN, MASKED, READ, WRITE = range(4)
LEVELS = {"hidden": HIDDEN, "masked": MASKED, "read": READ, "write": WRITE}


class Refused(Exception):
    """The person may not do this."""


class Oracle:
    """One world and the questions about it."""

    def __init__(self, world: dict[str, Any]) -> None:
        self.world = world
        self.rows = world["rows"]
        self.entities = world["entities"]

    def roles(self, user: int) -> list[dict[str, Any]]:
        return [self.world["roles"][role] for role in self.world["users"][user]["roles"]]

    def homes(self, user: int) -> set[int]:
        person = self.world["users"][user]
        return {person["department"], *person["departments"]} - {None}

    def chain(self, key: int | None) -> set[int]:
        """A department and all above it."""
        return (
            set() if key is None else {key, *self.chain(self.world["departments"][key]["parent"])}
        )

    def below(self, departments: set[int]) -> set[int]:
        return {key for key in self.world["departments"] if self.chain(key) & departments}

    def subordinates(self, user: int) -> set[int]:
        headed = {k for k, d in self.world["departments"].items() if d["head"] == user}
        below = self.below(headed)
        people = self.world["users"].items()
        return {user} | {key for key, person in people if person["department"] in below}

    def governed(self, entity: str) -> str:
        parent = self.entities[entity]["parent"]
        return entity if parent is None else parent[1]

    def scopes(self, user: int, entity: str, action: str) -> list[Any]:
        if any(role["admin"] for role in self.roles(user)):
            return ["all"]
        facts, found = self.entities[entity], []
        if facts["parent"] and action not in ("read", "export"):
            action = "update"
        for role in self.roles(user):
            row = role["grants"].get(self.governed(entity), role["grants"].get("*", {}))
            found.append(row.get(action, row.get("*")))
        if action == "read" and facts["directory"]:
            found.append("all")
        return [scope for scope in found if scope not in (None, "none")]

    def may(self, user: int, entity: str, action: str) -> bool:
        facts = self.entities[entity]
        if facts["parent"] and not any(role["admin"] for role in self.roles(user)):
            _field, parent, lines = facts["parent"]
            needed = READ if action in ("read", "export") else WRITE
            if self.level(user, parent, lines) < needed:
                return False
        return bool(self.scopes(user, entity, action))

    def reaches(self, user: int, entity: str, action: str, row: dict[str, Any]) -> bool:
        if not self.may(user, entity, action):
            return False
        facts = self.entities[entity]
        if facts["parent"]:
            field, parent, _lines = facts["parent"]
            above = self.rows[parent].get(row[field])
            inherited = action if action in ("read", "export") else "update"
            return above is not None and self.reaches(user, parent, inherited, above)
        scopes = self.scopes(user, entity, action)
        reached = any(self.within(user, entity, scope, row) for scope in scopes)
        return reached or any(
            ask(user, entity, action, row) for ask in (self.shared, self.stands_in)
        )

    def shared(self, user: int, entity: str, action: str, row: dict[str, Any]) -> bool:
        levels = {"read": "read write", "update": "write"}.get(action, "")
        homes = set().union(*(self.chain(home) for home in self.homes(user)))
        return any(
            one["level"] in levels and (one["user"] == user or one["department"] in homes)
            for one in self.world["shares"]
            if (one["entity"], one["record"]) == (entity, row["id"])
        )

    def stands_in(self, user: int, entity: str, action: str, row: dict[str, Any]) -> bool:
        owner = row.get("owner")
        if action in ("create", "delete", "import", "export") or owner is None:
            return False
        ordinary = any(isinstance(one, str) for one in self.scopes(owner, entity, action))
        return ordinary and (owner, user) in self.world["deputies"]

    def within(self, user: int, entity: str, scope: Any, row: dict[str, Any]) -> bool:
        owned = self.entities[entity]["owned"]
        person = row["owner"] if owned else row["created_by"]
        if scope == "all":
            return True
        if isinstance(scope, dict):
            return self.fulfils(entity, row, scope["condition"], None)
        if person == user:
            return True
        if scope == "subordinates":
            return person in self.subordinates(user)
        homes = self.homes(user)
        if scope == "department_below":
            homes = self.below(homes)
        elif scope != "department":
            return False
        if owned:
            return row["department"] in homes
        return person is not None and self.world["users"][person]["department"] in homes

    def level(self, user: int, entity: str, field: str) -> int:
        facts = self.entities[entity]
        if any(role["admin"] for role in self.roles(user)):
            return WRITE
        levels, governed = [], self.governed(entity)
        for role in self.roles(user):
            row = role["grants"].get(governed, role["grants"].get("*", {}))
            if row.get("read", row.get("*")) not in (None, "none"):
                levels.append(LEVELS[role["fields"].get(entity, {}).get(field, "write")])
            elif facts["directory"] and entity in role["fields"]:
                levels.append(min(READ, LEVELS[role["fields"][entity].get(field, "write")]))
        if not levels:
            return READ if facts["directory"] else HIDDEN
        level = max(levels)
        return HIDDEN if level == MASKED and field in facts["detached"] else level

    def usable(self, user: int, entity: str, field: str) -> bool:
        known = field in self.entities[entity]["fields"]
        readable = bool(self.scopes(user, entity, "read"))
        return known and readable and self.level(user, entity, field) >= READ

    def visible(self, user: int, entity: str, *, archived: bool = False) -> dict[int, Any]:
        """The rows somebody finds, raw; in the recycle bin those that they may delete, and so restore."""
        if not self.may(user, entity, "read"):
            raise Refused(entity)
        return {
            key: row
            for key, row in self.rows[entity].items()
            if (row["archived"] if archived else self.living(entity, row))
            and self.reaches(user, entity, "read", row)
            and (not archived or self.reaches(user, entity, "delete", row))
        }

    def living(self, entity: str, row: dict[str, Any]) -> bool:
        """Not in the recycle bin; a line is there with its parent."""
        if row["archived"] or not self.entities[entity]["parent"]:
            return not row["archived"]
        field, parent, _lines = self.entities[entity]["parent"]
        return self.living(parent, self.rows[parent][row[field]])

    def shown(self, user: int, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        """One row as somebody sees it: stored fields only."""
        facts, seen = self.entities[entity], {"id": row["id"], "version": row["version"]}
        for field in facts["stored"]:
            level = self.level(user, entity, field)
            if level > HIDDEN:
                masked = level == MASKED and field not in ("id", "version")
                seen[field] = mask(row[field], facts["masks"][field]) if masked else row[field]
        return seen

    def label(self, user: int, entity: str, key: int) -> str | None:
        facts, row = self.entities[entity], self.rows[entity].get(key)
        level = self.level(user, entity, facts["label"])
        if row is None or level == HIDDEN or not self.reaches(user, entity, "read", row):
            return None
        text = row[facts["label"]]
        if text is None:
            return f"#{key}"
        return str(mask(text, facts["masks"][facts["label"]])) if level == MASKED else str(text)

    def through(self, user: int | None, entity: str, row: dict[str, Any], path: str) -> Any:
        """A value behind references; nothing behind what somebody may not read (None: all may)."""
        *steps, last = path.split(".")
        for step in steps:
            if user is not None and not self.usable(user, entity, step):
                raise Refused(path)
            entity = self.entities[entity]["references"][step]
            row = self.rows[entity].get(row[step], {}) if row else {}
            if user is not None and row and not self.reaches(user, entity, "read", row):
                row = {}
        if user is not None and not self.usable(user, entity, last):
            raise Refused(path)
        return row.get(last)

    def fulfils(self, entity: str, row: dict[str, Any], test: Any, user: int | None) -> bool:
        value, wanted = self.through(user, entity, row, test["field"]), test.get("value")
        op = test["op"]
        if op in ("ne", "not_in", "is_empty"):
            positive = {"ne": "eq", "not_in": "in", "is_empty": "is_set"}[op]
            return not self.fulfils(entity, row, {**test, "op": positive}, user)
        if value is None:
            return False
        if op == "contains":
            return str(wanted).lower() in value.lower()
        return {"eq": value == wanted, "in": op == "in" and value in (wanted or ())}.get(op, True)


def mask(value: Any, pattern: str) -> str | None:
    """``3-4`` leaves three characters in front and four behind."""
    if value is None:
        return None
    front, back = (int(part or 0) for part in (pattern or "0-0").split("-"))
    text = str(value)
    if len(text) < front + back + 3:
        return "****"
    return text[:front] + "****" + text[len(text) - back :]
