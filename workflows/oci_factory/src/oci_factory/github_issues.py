"""Issues at GitHub that tell of images' vulnerabilities: found by the marker in their text, made, changed, closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oci_factory import issues
from oci_factory.scan_model import Issue, IssueChange, Tracker
from oci_factory.settings import Settings
from oci_factory.web import Web, content

_HEADERS = {'Accept': 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28'}
_ADVICE = {
    401: 'give a valid token as GITHUB_TOKEN',
    403: 'give GITHUB_TOKEN the right to write issues of the repository (issues: write)',
    404: 'check that GITHUB_TOKEN may read the repository, or name another one with OCI_FACTORY_ISSUES',
    410: 'let the repository have issues, or name another one with OCI_FACTORY_ISSUES',
}
_PAGE = 100


def find(web: Web, settings: Settings, repository: str, image: str, alive: Callable[[], None]) -> Tracker:
    """The open issue of an image.

    By listing, not by search, whose index lags behind. Where several have the marker, the oldest counts.

    Args:
        web: client of GitHub.
        settings: where GitHub is.
        repository: OWNER/NAME.
        image: its name.
        alive: called between the requests.

    Raises:
        ApplicationError: as `Web.request` does.
    """
    found: list[Issue] = []
    number = 0
    while True:
        number += 1
        # The oldest first: one that is made meanwhile comes at the end.
        params = {'state': 'open', 'sort': 'created', 'direction': 'asc', 'per_page': _PAGE, 'page': number}
        page = content(web.get(_issues(settings, repository), _ADVICE, params=params, headers=_HEADERS))
        alive()
        for one in page:
            marked = issues.marked(one.get('body') or '')
            # GitHub lists pull requests, too.
            if marked and marked[0] == image and 'pull_request' not in one:
                found.append(_read(one, marked[1]))
        if len(page) < _PAGE:
            break
    return Tracker(repository, found[0] if found else None, tuple(one.url for one in found[1:]))


def create(web: Web, settings: Settings, change: IssueChange) -> Issue:
    """Make an issue.

    Raises:
        ApplicationError: as `Web.request` does.
    """
    body = {'title': change.title, 'body': change.body}
    return _sent(web, 'POST', _issues(settings, change.repository), body, change)


def edit(web: Web, settings: Settings, change: IssueChange, number: int) -> Issue:
    """Change an issue's text, or close it. Its title stays, which people may have changed.

    Raises:
        ApplicationError: as `Web.request` does.
    """
    closing = change.step == issues.CLOSE
    body = {'state': 'closed', 'state_reason': 'completed'} if closing else {'body': change.body}
    return _sent(web, 'PATCH', f'{_issues(settings, change.repository)}/{number}', body, change)


def _sent(web: Web, method: str, url: str, body: dict[str, str], change: IssueChange) -> Issue:
    told = content(web.request(method, url, _ADVICE, json=body, headers=_HEADERS))
    marked = issues.marked(change.body)
    return _read(told, marked[1] if marked else '')


def _read(told: dict[str, Any], fingerprint: str) -> Issue:
    return Issue(int(told['number']), str(told.get('html_url') or ''), fingerprint)


def _issues(settings: Settings, repository: str) -> str:
    return f'{settings.github}/repos/{repository}/issues'
