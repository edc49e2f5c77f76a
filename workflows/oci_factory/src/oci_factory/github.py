"""Asks GitHub to run the OCI Factory's workflow `Image.yaml`, finds the run that was asked for, and how it ended."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from temporalio.exceptions import ApplicationError

from oci_factory import trigger
from oci_factory.model import Dispatch, Run
from oci_factory.settings import Settings
from oci_factory.web import Web, content

LONGEST_WAIT = 10
"""Minutes, at most, until a run that waits for a machine is looked at again."""

_HEADERS = {'Accept': 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28'}
_ADVICE = {
    401: 'give a valid token as GITHUB_TOKEN',
    403: 'give GITHUB_TOKEN the right to run workflows (actions: write)',
    404: 'check OCI_FACTORY_GITHUB and OCI_FACTORY_REPOSITORY, and that GITHUB_TOKEN may run its workflows',
    422: 'compare the inputs of Image.yaml in the OCI Factory with what this version sends',
}
_PAGE = 100


def dispatch(web: Web, settings: Settings, wanted: Dispatch) -> Run:
    """Ask for a run.

    Returns:
        The run; without a number where GitHub does not tell it, as its own server for enterprises may not.

    Raises:
        ApplicationError: as `Web.request` does.
    """
    inputs = {
        'oci-image-name': wanted.image,
        'b64-image-trigger': trigger.encode(wanted.trigger),
        'upload': True,
        'external_ref_id': wanted.external_ref_id,
    }
    body = {'ref': 'main', 'inputs': inputs, 'return_run_details': True}
    response = web.request('POST', f'{_workflow(settings)}/dispatches', _ADVICE, json=body, headers=_HEADERS)
    told = content(response) if response.content else {}
    return Run(int(told.get('workflow_run_id') or 0), str(told.get('html_url') or ''))


def find(
    web: Web,
    settings: Settings,
    wanted: Dispatch,
    since: datetime.datetime,
    alive: Callable[[], None],
    *,
    attempt: int,
) -> Run | None:
    """The run of a dispatch: `Image.yaml` names a step of its first job by the external reference.

    Args:
        web: client of GitHub.
        settings: which repository.
        wanted: the dispatch.
        since: before which there can be no such run.
        alive: called between the requests.
        attempt: the how manieth this is. Only from the second on a run that has not started, and thus has no steps, is
            taken for one that may be wanted: at the first, it is another rebuild's of the same image.

    Raises:
        ApplicationError: as `Web.request` does; or, retried after a while, when it cannot be told yet.
    """
    references, waiting = {wanted.external_ref_id, _former(wanted)}, False
    for run in _runs(web, settings, since):
        # By its title, which `Image.yaml` makes of the image's name, most runs are another image's.
        title = str(run.get('display_title') or '').split(' - ')
        if len(title) == 3 and title[1] != wanted.image:
            continue
        alive()
        url = f'{_actions(settings)}/runs/{run["id"]}/jobs'
        jobs = content(web.get(url, _ADVICE, params={'per_page': _PAGE}, headers=_HEADERS))['jobs']
        steps = [step['name'] for job in jobs for step in job.get('steps') or []]
        if references & set(steps):
            return Run(int(run['id']), str(run.get('html_url') or ''))
        # GitHub's own first step comes alone at first.
        waiting = waiting or (run.get('status') != 'completed' and len(steps) < 2)
    if waiting and attempt > 1:
        raise ApplicationError(
            f'a run for {wanted.image} waits for a machine, and may be the one asked for before',
            type='RunNotStarted',
            next_retry_delay=datetime.timedelta(minutes=min(attempt - 1, LONGEST_WAIT)),
        )
    return None


def conclusion(web: Web, settings: Settings, run: Run) -> str | None:
    """How a run ended, in GitHub's words (`success`, `failure`, `cancelled`, ...); empty while it goes on.

    Returns:
        None if there is no such run.

    Raises:
        ApplicationError: as `Web.request` does.
    """
    response = web.find(f'{_actions(settings)}/runs/{run.id}', _ADVICE, headers=_HEADERS)
    if response is None:
        return None
    found = content(response)
    return str(found.get('conclusion') or 'unknown') if found.get('status') == 'completed' else ''


def _runs(web: Web, settings: Settings, since: datetime.datetime) -> Iterator[dict[str, Any]]:
    """The dispatched runs of `Image.yaml`, page by page."""
    created = since.astimezone(datetime.UTC).strftime('>=%Y-%m-%dT%H:%M:%SZ')
    params = {'event': 'workflow_dispatch', 'created': created, 'per_page': _PAGE}
    number = 0
    while True:
        number += 1
        url = f'{_workflow(settings)}/runs'
        page = content(web.get(url, _ADVICE, params={**params, 'page': number}, headers=_HEADERS))['workflow_runs']
        yield from page
        if len(page) < _PAGE:
            return


def _former(wanted: Dispatch) -> str:
    """The reference by which earlier versions asked for the same: a rebuild of theirs may be reset."""
    return f'{wanted.external_ref_id.removesuffix(f"/{wanted.image}")}-{wanted.image}'


def _actions(settings: Settings) -> str:
    return f'{settings.github}/repos/{settings.repository}/actions'


def _workflow(settings: Settings) -> str:
    return f'{_actions(settings)}/workflows/Image.yaml'
