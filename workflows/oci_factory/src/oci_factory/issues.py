"""Decides what to do about the issue on an image's vulnerabilities, and writes its text: pure, no clock, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from oci_factory.scan_model import Vulnerability

OPEN, UPDATE, CLOSE, NOTHING = 'open', 'update', 'close', 'nothing'

LONGEST = 50_000
"""Characters that an issue's table may have; GitHub takes 65536 in all."""

_WIDEST = 100
"""Characters of a cell of the table."""

_MARKER = re.compile(r'<!-- oci-factory-scan: (\S+) ([0-9a-f]{64}) -->')
_AT_GITHUB = re.compile(r'(?:https?://github\.com/)?([A-Za-z0-9][\w.-]*/[\w.-]+?)(?:\.git)?/?')


def decide(*, exists: bool, vulnerable: bool, news: bool, complete: bool) -> str:
    """What to do about an image's issue.

    | exists | vulnerable | news | complete | step    |
    | ------ | ---------- | ---- | -------- | ------- |
    | no     | no         | -    | -        | nothing |
    | no     | yes        | -    | -        | open    |
    | yes    | yes        | yes  | -        | update  |
    | yes    | yes        | no   | -        | nothing |
    | yes    | no         | -    | yes      | close   |
    | yes    | no         | -    | no       | nothing |

    Args:
        exists: whether there is an open issue.
        vulnerable: whether there are vulnerabilities that matter.
        news: whether the issue tells anything else than what there is.
        complete: whether everything that is released was scanned; what was not may have what the issue tells of.
    """
    if vulnerable:
        if not exists:
            return OPEN
        return UPDATE if news else NOTHING
    return CLOSE if exists and complete else NOTHING


def fingerprint(found: Sequence[Vulnerability], unscanned: Iterable[str]) -> str:
    """The same for the same findings in the same channels, whichever revisions these lead to."""
    one = [[*_fields(vulnerability), *vulnerability.channels] for vulnerability in found]
    return hashlib.sha256(json.dumps([one, sorted(unscanned)]).encode()).hexdigest()


def title(image: str) -> str:
    """Of an image's issue."""
    return f'Vulnerabilities found for {image}'


def body(image: str, found: Sequence[Vulnerability], unscanned: Sequence[str]) -> str:
    """Of an image's issue, in Markdown; the first line is the marker by which it is known.

    Args:
        image: its name.
        found: what there is.
        unscanned: what is released, and could not be scanned.
    """
    lines = [
        f'<!-- oci-factory-scan: {image} {fingerprint(found, unscanned)} -->',
        f'What is released of {_code(image)} has vulnerabilities that a newer version of a package mends.',
        '',
        '| ID | Severity | Package | Installed | Fixed in | Channels |',
        '| -- | -------- | ------- | --------- | -------- | -------- |',
    ]
    room = LONGEST
    for listed, one in enumerate(found):
        row = f'| {" | ".join(map(_code, _fields(one)))} | {", ".join(map(_code, _shortened(one.channels)))} |'
        room -= len(row) + 1
        if room < 0:
            lines += ['', f'And {len(found) - listed} more.']
            break
        lines.append(row)
    if unscanned:
        lines += ['', f'Could not be scanned: {", ".join(map(_code, _shortened(unscanned)))}.']
    lines += ['', 'The OCI Factory keeps this issue: it changes with the findings, and is closed when there are none.']
    return '\n'.join(lines)


def marked(text: str) -> tuple[str, str] | None:
    """Whose issue a text belongs to.

    Args:
        text: the body of any issue.

    Returns:
        The image's name and the fingerprint of what is told; None for other issues, such as those that quote one.
    """
    match = _MARKER.match(text)
    return (match[1], match[2]) if match else None


def repository(source: str) -> str:
    """The repository at GitHub that an image is built from, as OWNER/NAME; empty if it is somewhere else."""
    match = _AT_GITHUB.fullmatch(source)
    return match[1] if match else ''


def _fields(one: Vulnerability) -> tuple[str, str, str, str, str]:
    finding = one.finding
    return finding.id, finding.severity, finding.package, finding.version, finding.fixed_in


def _shortened(names: Sequence[str], most: int = 8) -> list[str]:
    more = len(names) - most
    return [*names[:most], *([f'{more} more'] if more > 0 else [])]


def _code(text: str) -> str:
    """As code, so that nothing in it is markup, a link or somebody's name; scanners take it from packages."""
    plain = re.sub(r'\s+', ' ', text).replace('`', "'").replace('|', '\\|')
    return f'`{plain[:_WIDEST]}`' if plain.strip() else ''
