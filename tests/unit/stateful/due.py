"""Which hook each relation is due on a unit, in the order of Juju's resolver for relations."""

from __future__ import annotations

from collections.abc import Mapping

from stateful.model import Hook, Relation, Seen, Unit


def of_relations(unit: Unit, relations: Mapping[int, Relation]) -> list[Hook]:
    """At most one hook for each relation that a unit has entered."""
    hooks = [_of_relation(unit, relations[id], seen) for id, seen in unit.relations.items()]
    return [hook for hook in hooks if hook]


def _of_relation(unit: Unit, relation: Relation, seen: Seen) -> Hook | None:
    if seen.pending is not None:
        return Hook('relation-changed', relation.id, seen.pending)
    gone = relation.dying or unit.dying
    side = relation.other(unit.app)
    members = {} if gone else {number: side.versions[number] for number in side.units}
    if relation.peer:
        members.pop(unit.number, None)
    left = [number for number in seen.members if number not in members]
    if left:
        return Hook('relation-departed', relation.id, left[0])
    if gone:
        return None if relation.peer else Hook('relation-broken', relation.id)
    if side.version != seen.app:
        return Hook('relation-changed', relation.id)
    return _of_member(relation, seen, members)


def _of_member(relation: Relation, seen: Seen, members: dict[int, int]) -> Hook | None:
    for number in members:
        if number not in seen.members:
            return Hook('relation-joined', relation.id, number)
    for number, version in members.items():
        if version != seen.members[number]:
            return Hook('relation-changed', relation.id, number)
    return None
