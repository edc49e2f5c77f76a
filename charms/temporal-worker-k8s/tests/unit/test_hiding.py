"""What counts as secret in texts that leave the container."""

from __future__ import annotations

import json

import world

from loader import hiding, layout


def test_given_variables_and_no_other_files_then_the_operators_are_hidden_and_the_charms_are_not(tmp_path, monkeypatch):
    environment = tmp_path / 'environment.json'
    environment.write_text(json.dumps({'A': 'hunter2', 'B': 'abc', 'C': 'shared', 'TWC_HOST': 'shared'}))
    monkeypatch.setattr(layout, 'ENVIRONMENT', str(environment))
    monkeypatch.setattr(layout, 'CREDENTIALS', str(tmp_path / 'none'))
    monkeypatch.setattr(layout, 'KEYS', str(tmp_path / 'none'))

    assert hiding.values() == ['hunter2']


def test_given_defaults_alone_then_nothing_is_hidden(run, disk, archive, monkeypatch):
    run(world.state(disk, archive))
    monkeypatch.setattr(layout, 'ENVIRONMENT', str(disk / 'environment.json'))

    assert hiding.values() == []


def test_given_an_operators_variables_with_prefixes_of_the_charm_then_they_are_hidden(
    run, disk, archive, tmp_path, monkeypatch
):
    env = tmp_path / 'x.env'
    env.write_text('TEMPORAL_API_KEY=hunter2\nTWC_ENCRYPTION_KEY=s3cr3t\nTWC_MINE=mine')
    run(world.state(disk, archive, resources=world.resources(archive, env)))
    monkeypatch.setattr(layout, 'ENVIRONMENT', str(disk / 'environment.json'))

    assert hiding.values() == ['hunter2', 's3cr3t', 'mine']


def test_given_something_made_of_lists_and_names_then_it_is_hidden_everywhere():
    thing = {'a hunter2': ['hunter2', ('x', 7, None, {'b': 'hunter2!'})]}

    assert hiding.hide_all(thing, ['hunter2']) == {'a ***': ['***', ['x', 7, None, {'b': '***!'}]]}
