"""What Juju has taken away, a relation or a grant, while its relation-broken is still to come."""

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


def test_given_a_secret_whose_grant_went_before_its_relation_then_there_is_no_database(ctx, run, monkeypatch):
    """Juju answers "permission denied", which ops does not call a secret that is not found."""

    def denied(*_: object, **__: object) -> None:
        raise ops.ModelError('ERROR permission denied')

    monkeypatch.setattr(ops.Secret, 'get_content', denied)
    monkeypatch.setattr(ops.Model, 'get_secret', denied)

    out = run(world.state(databases='current'))

    assert out.unit_status == ops.WaitingStatus('waiting for postgresql-k8s to provide the databases')
