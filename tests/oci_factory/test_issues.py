"""What is done about an image's issue, and what stands in it."""

from __future__ import annotations

import itertools
import re

import pytest
from oci_factory import issues
from oci_factory.scan_model import Finding, Vulnerability

FINDING = Finding('CVE-2026-1', 'openssl', '1.0', '1.1', 'High')
FOUND = (Vulnerability(FINDING, ('1.0_stable', 'latest_edge')),)
Y, N = True, False


@pytest.mark.parametrize(
    ('exists', 'vulnerable', 'news', 'complete', 'step'),
    [
        (N, N, N, N, 'nothing'),
        (N, N, N, Y, 'nothing'),
        (N, N, Y, N, 'nothing'),
        (N, N, Y, Y, 'nothing'),
        (N, Y, N, N, 'open'),
        (N, Y, N, Y, 'open'),
        (N, Y, Y, N, 'open'),
        (N, Y, Y, Y, 'open'),
        (Y, N, N, N, 'nothing'),
        (Y, N, N, Y, 'close'),
        (Y, N, Y, N, 'nothing'),
        (Y, N, Y, Y, 'close'),
        (Y, Y, N, N, 'nothing'),
        (Y, Y, N, Y, 'nothing'),
        (Y, Y, Y, N, 'update'),
        (Y, Y, Y, Y, 'update'),
    ],
)
def test_the_truth_table(*, exists: bool, vulnerable: bool, news: bool, complete: bool, step: str) -> None:
    assert issues.decide(exists=exists, vulnerable=vulnerable, news=news, complete=complete) == step


@pytest.mark.parametrize(
    ('exists', 'notify', 'vulnerable', 'step'),
    [
        (Y, Y, Y, 'update'),
        (Y, N, Y, 'nothing'),
        (Y, N, N, 'close'),
        (N, Y, Y, 'open'),
        (N, N, Y, 'open'),
        (N, N, N, 'nothing'),
    ],
)
def test_it_is_that_of_the_oci_factory(*, exists: bool, notify: bool, vulnerable: bool, step: str) -> None:
    """Its rows, but for two that never come: news of no vulnerability. It closes nothing after a scan that failed."""
    assert issues.decide(exists=exists, vulnerable=vulnerable, news=notify, complete=True) == step


def test_the_table_in_the_docstring() -> None:
    """People read that one."""
    rows = re.findall(r'\| (\w+|-) +\| (\w+|-) +\| (\w+|-) +\| (\w+|-) +\| (\w+) +\|', issues.decide.__doc__ or '')
    meaning = {'yes': (True,), 'no': (False,), '-': (True, False)}
    told = {}
    assert rows.pop(0)[-1] == 'step'
    for *facts, step in rows:
        for combination in itertools.product(*(meaning[fact] for fact in facts)):
            assert combination not in told
            told[combination] = step
    assert len(told) == 16
    for (exists, vulnerable, news, complete), step in told.items():
        assert issues.decide(exists=exists, vulnerable=vulnerable, news=news, complete=complete) == step


def test_an_issue() -> None:
    assert issues.title('valkey') == 'Vulnerabilities found for valkey'
    lines = issues.body('valkey', FOUND, ['1.0/7']).splitlines()
    assert issues.marked('\n'.join(lines)) == ('valkey', issues.fingerprint(FOUND, ['1.0/7']))
    assert lines[5] == '| `CVE-2026-1` | `High` | `openssl` | `1.0` | `1.1` | `1.0_stable`, `latest_edge` |'
    assert 'Could not be scanned: `1.0/7`.' in lines


def test_without_anything_unscanned_nothing_is_said_of_it() -> None:
    assert 'Could not' not in issues.body('valkey', FOUND, [])


def test_the_marker_survives_what_editors_do_to_line_ends() -> None:
    body = issues.body('valkey', FOUND, []).replace('\n', '\r\n') + '\r\n\r\nWe know, it is harmless.'
    assert issues.marked(body) == ('valkey', issues.fingerprint(FOUND, []))


@pytest.mark.parametrize(
    'text',
    [
        '',
        'Why?',
        '> ' + issues.body('valkey', FOUND, []),
        'See below.\n' + issues.body('valkey', FOUND, []),
        '<!-- oci-factory-scan: valkey -->',
    ],
)
def test_other_issues_have_no_marker(text: str) -> None:
    assert issues.marked(text) is None


def test_the_fingerprint_is_that_of_what_is_told() -> None:
    first = issues.fingerprint(FOUND, [])
    assert first == issues.fingerprint(list(FOUND), ())
    others = [
        (),
        (Vulnerability(FINDING, ('1.0_stable',)),),
        (Vulnerability(Finding('CVE-2026-1', 'openssl', '1.0', '1.2', 'High'), FOUND[0].channels),),
        (Vulnerability(Finding('CVE-2026-1', 'openssl', '1.0', '1.1', 'Critical'), FOUND[0].channels),),
    ]
    prints = {issues.fingerprint(found, []) for found in others} | {issues.fingerprint(FOUND, ['1.0/7'])}
    assert len(prints) == 5 and first not in prints


def test_nothing_from_a_package_is_markup() -> None:
    odd = Finding('CVE-2026-1', '@team/`x`|<img src=x>\n# y', '1' * 500, '1.1', 'High')
    row = issues.body('valkey', [Vulnerability(odd, ('1.0_stable',))], []).splitlines()[5]
    assert "`@team/'x'\\|<img src=x> # y`" in row
    assert len(re.findall(r'(?<!\\)\|', row)) == 7
    assert len(row) < 300


def test_a_long_list_is_cut() -> None:
    channels = tuple(f'{number}-24.04_stable' for number in range(40))
    found = [
        Vulnerability(Finding(f'CVE-2026-{number}', 'openssl', '1.0', '1.1', 'High'), channels)
        for number in range(5000)
    ]
    text = issues.body('grafana', found, [f'1.0/{number}' for number in range(100)])
    assert len(text) < 65536
    listed = text.count('\n| `CVE-')
    assert f'And {5000 - listed} more.' in text and listed > 100
    assert '`32 more`' in text and '`92 more`' in text


@pytest.mark.parametrize(
    ('source', 'repository'),
    [
        ('canonical/valkey-rock', 'canonical/valkey-rock'),
        ('https://github.com/canonical/valkey-rock', 'canonical/valkey-rock'),
        ('https://github.com/canonical/valkey-rock.git', 'canonical/valkey-rock'),
        ('https://github.com/canonical/valkey.rock/', 'canonical/valkey.rock'),
        ('https://git.launchpad.net/~team/rock', ''),
        ('git@github.com:canonical/rock', ''),
        ('rock', ''),
        ('', ''),
    ],
)
def test_where_an_issue_belongs(source: str, repository: str) -> None:
    assert issues.repository(source) == repository
