"""One job at a time for each image: those who find it taken wait, and no job keeps it longer than it lasts."""

from __future__ import annotations

import datetime

import pytest
from acting import dispatches
from decorated import ACTIVITIES, WORKFLOWS
from execution import Execution
from oci_factory import lock
from simulation import Simulation
from stand_ins.server import Server

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def simulation(environment: Server) -> Simulation:
    return Simulation(WORKFLOWS, ACTIVITIES)


def held(simulation: Simulation, image: str) -> Execution:
    """Somebody has an image."""
    return simulation.start('ImageLock', image, 'somebody', workflow_id=f'image-lock/{image}')


def scheduled(one: Execution) -> list[tuple[str, datetime.timedelta]]:
    """The activities of a workflow, and when after its start each one was scheduled."""
    return [
        (
            event.activity_task_scheduled_event_attributes.activity_type.name,
            event.event_time.ToDatetime(datetime.UTC) - one.started,
        )
        for event in one.history.events
        if event.HasField('activity_task_scheduled_event_attributes')
    ]


def child(simulation: Simulation, name: str) -> Execution:
    (found,) = [one for one in simulation.executions if one.id == name]
    return found


def test_its_identifier() -> None:
    # What people and other programs rely on.
    assert lock.identifier('valkey') == 'image-lock/valkey'


def test_a_rebuild_waits_for_another_job_and_plans_anew(simulation: Simulation, environment: Server) -> None:
    simulation.cancel(held(simulation, 'valkey'), HOUR)
    report = simulation.run('RebuildForRelease', '24.04', 'v*')
    assert {one.image for one in report.images if one.conclusion == 'success'} == {'valkey'}
    steps = scheduled(child(simulation, 'wf/valkey'))
    assert [name for name, _ in steps] == [
        *('read_releases', 'read_build_metadata', 'resolve_channels') * 2,
        'dispatch_rebuild',
        'follow_run',
    ]
    first, second = steps[0][1], steps[3][1]
    assert first < datetime.timedelta(minutes=1)
    assert HOUR <= second <= HOUR + datetime.timedelta(minutes=6)
    assert len(dispatches(environment)) == 1


@pytest.mark.parametrize('minutes', [1, 5, 20])
def test_who_has_waited_for_moments_waits_hardly_longer_than_it_has_to(simulation: Simulation, minutes: int) -> None:
    held_for = datetime.timedelta(minutes=minutes)
    simulation.cancel(held(simulation, 'valkey'), held_for)
    simulation.run('RebuildForRelease', '24.04', 'valkey')
    (again,) = [at for name, at in scheduled(child(simulation, 'wf/valkey'))[3:] if name == 'read_releases']
    assert held_for <= again <= held_for * 1.1 + datetime.timedelta(seconds=20)


def test_a_rebuild_of_another_image_does_not_wait(simulation: Simulation, environment: Server) -> None:
    held(simulation, 'vault')
    simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(minutes=1)
    assert len(dispatches(environment)) == 1


def test_what_is_not_rebuilt_does_not_wait(simulation: Simulation, environment: Server) -> None:
    for image in ('vault', 'valkey'):
        held(simulation, image)
    report = simulation.run('RebuildForRelease', '24.04', 'v*', True)
    assert not any(one.error for one in report.images)
    report = Simulation(WORKFLOWS, ACTIVITIES).run('RebuildForRelease', '18.04', 'valkey')
    assert not report.images[0].error
    assert dispatches(environment) == []


def test_a_lock_that_is_never_given_back_is_told_of(simulation: Simulation, environment: Server) -> None:
    held(simulation, 'valkey')
    report = simulation.run('RebuildForRelease', '24.04', 'v*')
    (one,) = [one for one in report.images if one.image == 'valkey']
    assert 'image-lock/valkey' in one.error and one.uploads and not one.dispatched
    assert dispatches(environment) == []
    # Far fewer events than a history may have, which is 50 000.
    assert len(child(simulation, 'wf/valkey').history.events) < 10_000


def test_a_lock_ends_with_its_holder(simulation: Simulation, environment: Server) -> None:
    simulation.run('RebuildForRelease', '24.04', '*', False, 1)
    locks = [one for one in simulation.executions if one.type == 'ImageLock']
    assert len(locks) > 2
    # The last one's is about to.
    assert all(one.terminated for one in locks[:-1])
