"""Runs activities as a worker would, against stand-ins that fail as they are told to."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from oci_factory.model import Dispatch
from stand_ins.server import Server
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

SINCE = datetime.datetime.now(datetime.UTC)
DISPATCH = Dispatch('valkey', 'version: 2\nupload: []\n', 'wf-1/valkey', SINCE)


def run(activity: Callable[..., Any], *args: Any, attempt: int = 1, **info: Any) -> Any:
    """Run an activity as a worker would.

    Args:
        activity: to run.
        args: its arguments.
        attempt: the how manieth this is.
        info: `scheduled`: when it was; `on_heartbeat`: is called; `details`: of an earlier attempt's heartbeat;
            `stopping`: whether the worker is.
    """
    surroundings = ActivityEnvironment()
    scheduled = info.pop('scheduled', datetime.datetime.now(datetime.UTC))
    surroundings.info = dataclasses.replace(
        surroundings.info, attempt=attempt, scheduled_time=scheduled, heartbeat_details=info.pop('details', ())
    )
    surroundings.on_heartbeat = info.pop('on_heartbeat', surroundings.on_heartbeat)
    if info.pop('stopping', False):
        surroundings.worker_shutdown()
    return surroundings.run(activity, *args)


def failure(activity: Callable[..., Any], *args: Any, **info: Any) -> ApplicationError:
    """The error that an activity ends with."""
    with pytest.raises(ApplicationError) as caught:
        run(activity, *args, **info)
    return caught.value


def given_up(error: ApplicationError, how: Mapping[str, Any]) -> bool:
    """Whether an activity ends with this failure, of whatever attempt.

    Args:
        error: the failure.
        how: the activity is tried, of `options`.
    """
    return error.non_retryable or error.type in how['retry_policy'].non_retryable_error_types


def fail(server: Server, status: int, **fault: Any) -> None:
    """Tell the stand-ins to fail."""
    server.stand_ins.faults.add([{'status': status, **fault}])


def dispatches(server: Server) -> list[dict[str, Any]]:
    return [one['inputs'] for one in server.stand_ins.github.recorded()]
