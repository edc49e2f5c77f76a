"""An image has one issue, whatever becomes of GitHub's answers; it is found again, changed, and closed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from acting import fail, failure, given_up, run
from oci_factory import github_issues, issues, options
from oci_factory.scan_activities import change_issue, find_issue
from oci_factory.scan_model import Finding, Issue, IssueChange, Tracker, Vulnerability
from served import TOKEN
from stand_ins.server import Server
from stand_ins.wire import Request
from temporalio.exceptions import ApplicationError
from test_secrets import everything

SOURCE = 'canonical/valkey-rock'
FOUND = (Vulnerability(Finding('CVE-1', 'openssl', '1.0', '1.1', 'High'), ('1.0_stable',)),)
BODY = issues.body('valkey', FOUND, [])
PRINT = issues.fingerprint(FOUND, [])
OPEN = IssueChange('open', SOURCE, 'valkey', issues.title('valkey'), BODY)


def url(server: Server, number: int, repository: str = SOURCE) -> str:
    return f'{server.url}/{repository}/issues/{number}'


def all_of(server: Server, repository: str = SOURCE) -> list[dict[str, Any]]:
    """The issues of a repository but for those that were there."""
    return server.stand_ins.github.issues.recorded()[repository][2:]


def test_no_issue(environment: Server) -> None:
    assert run(find_issue, 'valkey', SOURCE) == Tracker(SOURCE)


def test_an_issue_is_found_when_it_is_there(environment: Server, seen: list[Request]) -> None:
    run(find_issue, 'valkey', SOURCE)
    opened = run(change_issue, OPEN)
    assert opened == Issue(3, url(environment, 3), PRINT)
    assert run(find_issue, 'valkey', f'https://github.com/{SOURCE}') == Tracker(SOURCE, opened)
    (one,) = all_of(environment)
    assert (one['title'], one['body'], one['state']) == ('Vulnerabilities found for valkey', BODY, 'open')
    assert seen[0].query['state'] == 'open' and seen[0].headers['x-github-api-version'] == '2022-11-28'


def test_it_is_found_among_others_on_any_page(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[Any] = []
    monkeypatch.setattr(github_issues, '_PAGE', 2)
    world = environment.stand_ins.github.issues
    run(find_issue, 'valkey', SOURCE)
    world.plant(SOURCE, issues.body('vault', FOUND, []))
    world.plant(SOURCE, f'> {BODY}')
    world.plant(SOURCE, BODY, pull_request={'url': '...'})
    world.plant(SOURCE, BODY, state='closed')
    wanted = world.plant(SOURCE, BODY + '\n\nWe look into it.')
    copy = world.plant(SOURCE, BODY)
    tracker = run(find_issue, 'valkey', SOURCE, on_heartbeat=lambda: beats.append(1))
    assert tracker == Tracker(SOURCE, Issue(7, wanted['html_url'], PRINT), (copy['html_url'],))
    assert len(beats) == 4


def test_an_issue_of_a_repository_that_was_renamed(environment: Server, seen: list[Request]) -> None:
    former = f'{environment.url}/github/repos/canonical/former/issues'
    now = former.replace('canonical/former', SOURCE)
    run(find_issue, 'valkey', SOURCE)
    fail(environment, 301, headers={'Location': f'{now}?state=open'}, match='GET /github/repos/canonical/former')
    assert run(find_issue, 'valkey', 'canonical/former') == Tracker('canonical/former')
    fail(environment, 307, headers={'Location': now}, match='POST /github/repos/canonical/former')
    opened = run(change_issue, dataclasses.replace(OPEN, repository='canonical/former'))
    assert opened.url == url(environment, 3) and len(all_of(environment)) == 1
    assert all(one.headers['authorization'] == f'Bearer {TOKEN}' for one in seen)


@pytest.mark.parametrize('status', [502, 0])
def test_an_issue_whose_answer_is_lost_is_not_made_twice(environment: Server, status: int) -> None:
    run(find_issue, 'valkey', SOURCE)
    fail(environment, status, match='POST /github/repos', after_recording=True)
    assert not failure(change_issue, OPEN).non_retryable
    assert run(change_issue, OPEN, attempt=2).number == 3
    assert len(all_of(environment)) == 1


def test_an_issue_that_never_arrived_is_made(environment: Server) -> None:
    run(find_issue, 'valkey', SOURCE)
    fail(environment, 502, match='POST /github/repos')
    assert not failure(change_issue, OPEN).non_retryable
    assert run(change_issue, OPEN, attempt=2).number == 3


def test_an_update_keeps_the_title_that_people_gave_it(environment: Server) -> None:
    run(change_issue, OPEN)
    number = environment.stand_ins.github.issues.recorded()[SOURCE][-1]['number']
    environment.stand_ins.github.issues._issues[SOURCE][-1]['title'] = 'Urgent!'
    body = issues.body('valkey', FOUND, ['1.0/7'])
    changed = run(change_issue, IssueChange('update', SOURCE, 'valkey', 'Vulnerabilities', body, number))
    assert changed.fingerprint == issues.fingerprint(FOUND, ['1.0/7'])
    (one,) = all_of(environment)
    assert (one['title'], one['body'], one['edits'], one['state']) == ('Urgent!', body, 1, 'open')


def test_a_closed_one_is_not_found(environment: Server) -> None:
    opened = run(change_issue, OPEN)
    closed = run(change_issue, IssueChange('close', SOURCE, 'valkey', number=opened.number))
    assert closed.url == opened.url
    assert [one['state'] for one in all_of(environment)] == ['closed']
    assert run(find_issue, 'valkey', SOURCE) == Tracker(SOURCE)


def test_all_issues_in_one_repository(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_ISSUES', 'canonical/oci-factory')
    for source in (SOURCE, 'https://git.launchpad.net/rock', ''):
        assert run(find_issue, 'valkey', source) == Tracker('canonical/oci-factory')
    monkeypatch.setenv('OCI_FACTORY_ISSUES', 'oci-factory')
    error = failure(find_issue, 'valkey', SOURCE)
    assert given_up(error, options.SCAN_READ) and 'OCI_FACTORY_ISSUES is not OWNER/NAME' in error.message


@pytest.mark.parametrize('source', ['https://git.launchpad.net/rock', ''])
def test_a_source_that_is_somewhere_else(environment: Server, seen: list[Request], source: str) -> None:
    assert run(find_issue, 'valkey', source) == Tracker('')
    assert seen == []


@pytest.mark.parametrize(
    ('status', 'advice'),
    [
        (401, 'give a valid token as GITHUB_TOKEN'),
        (403, 'issues: write'),
        (404, 'OCI_FACTORY_ISSUES'),
        (410, 'let the repository have issues'),
    ],
)
@pytest.mark.parametrize('change', [None, OPEN, IssueChange('close', SOURCE, 'valkey', number=1)])
def test_what_github_refuses(environment: Server, status: int, advice: str, change: IssueChange | None) -> None:
    fail(environment, status, headers={'x-ratelimit-remaining': '9'}, match='/issues', body={'message': f'no {TOKEN}'})
    args: list[Any] = [find_issue, 'valkey', SOURCE] if change is None else [change_issue, change]
    error: ApplicationError = failure(*args)
    assert given_up(error, options.SCAN_READ) and given_up(error, options.SCAN_CHANGE) and advice in error.message
    assert TOKEN not in everything(error)
