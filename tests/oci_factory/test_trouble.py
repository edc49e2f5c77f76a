"""What keeps a rebuild waiting is told early, and once; what belongs to the work is not."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from acting import fail
from decorated import ACTIVITIES, WORKFLOWS
from oci_factory.model import Notification
from simulation import Simulation
from stand_ins.server import Server
from test_notifications import told

REFUSED = {'x-ratelimit-remaining': '4999'}


@pytest.fixture
def simulation(environment: Server) -> Simulation:
    return Simulation(WORKFLOWS, ACTIVITIES)


def waiting(server: Server) -> list[dict[str, Any]]:
    """What the webhook was told of waiting."""
    return [one['body'] for one in told(server)['hooks'] if one['body']['status'] == 'Waiting']


@pytest.mark.parametrize(
    ('match', 'image', 'said'),
    [
        ('contents/oci?', '', 'list_released: GET 127.0.0.1/github/repos/canonical/oci-factory/contents/oci: 401'),
        ('dispatches', 'valkey', 'dispatch_rebuild: POST 127.0.0.1/github/repos/canonical/oci-factory/actions/'),
        ('/runs/1', 'valkey', 'follow_run: GET 127.0.0.1/github/repos/canonical/oci-factory/actions/runs/1: 401'),
    ],
)
def test_a_token_that_is_refused_is_told_once_and_soon_and_the_end_as_well(
    mattermost: Server, webhook: Server, simulation: Simulation, match: str, image: str, said: str
) -> None:
    fail(mattermost, 401, match=match, headers=REFUSED, times=100)
    began = simulation.now
    soon: list[dict[str, Any]] = []
    simulation.later(datetime.timedelta(minutes=8), lambda: soon.extend(waiting(webhook)))
    report = simulation.run('RebuildForRelease', '24.04', 'v*')
    assert simulation.now - began > datetime.timedelta(hours=8)
    assert soon == waiting(webhook) and len(soon) == 1
    assert list(soon[0]['failed']) == [image] and soon[0]['release'] == '24.04'
    assert (
        soon[0]['failed'][image].startswith(said) and 'give a valid token as GITHUB_TOKEN' in soon[0]['failed'][image]
    )
    assert [one['body']['status'] for one in told(webhook)['hooks']] == ['Triggered', 'Waiting', 'Success']
    # In Mattermost it is an answer to the post, which is green in the end.
    post, answer = told(mattermost)['posts']
    assert answer['root_id'] == post['id'] and not post['root_id']
    assert [one['props']['attachments'][0]['color'] for one in (post, answer)] == ['#33CC33', '#E8A000']
    assert '**Status:** Waiting' in answer['props']['attachments'][0]['text']
    assert report.notifications == (Notification('mattermost'), Notification('webhook'))


def test_an_outage_is_told_when_it_lasts(webhook: Server, simulation: Simulation) -> None:
    fail(webhook, 503, match='dispatches', times=20)
    simulation.run('RebuildForRelease', '24.04', 'valkey')
    (told_of,) = waiting(webhook)
    assert 'dispatches: 503' in told_of['failed']['valkey']


@pytest.mark.parametrize(
    'fault',
    [
        # Over before anybody looks twice.
        {'status': 503, 'match': 'dispatches', 'times': 5},
        {'status': 429, 'match': 'dispatches', 'times': 3, 'headers': {'Retry-After': '1800'}},
        {'status': 200, 'match': '/runs/1', 'times': 30, 'body': {'status': 'in_progress', 'conclusion': None}},
    ],
)
def test_what_belongs_to_the_work_is_no_trouble(webhook: Server, simulation: Simulation, fault: dict[str, Any]) -> None:
    fail(webhook, **fault)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].conclusion == 'success'
    assert waiting(webhook) == []
    # Looking costs no history.
    assert simulation.executions[0].types().count('ACTIVITY_TASK_SCHEDULED') == 5


def test_a_look_whose_time_is_over_harms_nothing(
    webhook: Server, simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError('PERMISSION_DENIED')

    monkeypatch.setattr('described.Describer.get_workflow_handle', refuse)
    fail(webhook, 401, match='dispatches', headers=REFUSED, times=10)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].conclusion == 'success' and waiting(webhook) == []
