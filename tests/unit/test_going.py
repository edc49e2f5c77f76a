"""A relation that Juju has taken away, whose relation-broken is still to come."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from ops import testing


@pytest.mark.parametrize('databases', ['legacy', 'current'])
def test_given_relations_that_refuse_to_be_written_to_then_the_hook_goes_on(ctx, run, monkeypatch, databases):
    first = run(world.state(databases=databases))
    # The databases' users are gone already, so that they would be asked for anew.
    relations = [
        dataclasses.replace(each, remote_app_data={}, local_app_data={}, local_unit_data={}, remote_units_data={})
        if isinstance(each, testing.Relation) and each.endpoint != 'admin'
        else each
        for each in first.relations
    ]

    def refuse(*_: object, **__: object) -> None:
        raise ops.RelationNotFoundError

    monkeypatch.setattr(ops.model._ModelBackend, 'update_relation_data', refuse)

    out = ctx.run(ctx.on.update_status(), dataclasses.replace(first, relations=relations))

    assert isinstance(out.unit_status, ops.WaitingStatus)
