"""What the server is to keep running: what the leader's worker is told of it, and what must be so for that."""

from __future__ import annotations

import dataclasses

import ops
from temporal_charms.conditions import Condition

from facts import Facts, Health
from loader.standing import CONSUMES, Standing


def wanted(facts: Facts) -> Standing:
    """What the leader's worker is told; any other unit's is told that it is none of its business."""
    if not facts.leader:
        return Standing()
    options, queues = facts.standing, facts.config.queues
    schedules = tuple(dataclasses.replace(one, queue=one.queue or facts.config.queue) for one in options.schedules)
    return Standing(True, options.owner, queues, options.consumers, schedules)


def _missing(facts: Facts) -> str:
    """Which workflow is to be kept running here that the code does not have, and by which option; empty for none."""
    prepared, queues = facts.code.prepared, facts.config.queues
    if prepared.dynamic:
        return ''
    needed = [('consume', CONSUMES)] if facts.standing.consumers else []
    needed += [
        (f'schedules: {one.id}', one.workflow)
        for one in facts.standing.schedules
        if not one.queue or one.queue in queues
    ]
    return next((f'{where} needs workflow {name}' for where, name in needed if name not in prepared.workflows), '')


def _problem(facts: Facts) -> str:
    if facts.command.words and (facts.standing.consumers or facts.standing.schedules):
        # What keeps them is the loader, which needs Python and the SDK.
        return (
            'consume and schedules are for workers that come as workflows-file, and worker-command is set: '
            f'juju config {facts.app} --reset consume,schedules'
        )
    return facts.standing.problem


OPTIONS: Condition[Facts] = Condition(
    'standing-options',
    lambda facts: not _problem(facts),
    lambda facts: ops.BlockedStatus(_problem(facts)),
    stops=False,
)

CODE: Condition[Facts] = Condition(
    'standing-code',
    lambda facts: not _missing(facts),
    lambda facts: ops.BlockedStatus(
        f'{_missing(facts)}, which is not among what workflows-file and supported-workflows give '
        f'({", ".join(facts.code.prepared.workflows)[:120] or "none"}): attach code that has it, or change the option'
    ),
    stops=False,
)

OUTCOME: Condition[Health] = Condition(
    'standing',
    lambda health: not health.trouble,
    lambda health: (
        ops.BlockedStatus(health.trouble)
        if health.troubles_operator
        else ops.WaitingStatus(f'waiting for {health.trouble}')
    ),
)


def compare(health: Health, told: Standing, *, kept: bool) -> Health:
    """A worker's answer, in which what it has not yet brought about counts as trouble.

    Args:
        health: the answer.
        told: what it is to keep running.
        kept: whether it was told to keep something before this hook.
    """
    if not health.polling or health.trouble or health.standing == told.key or (told.empty and not kept):
        return health
    what = 'no longer name to be taken away' if told.empty else 'name to be started'
    return dataclasses.replace(health, trouble=f'what consume and schedules {what}')
