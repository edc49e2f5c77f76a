"""Each part of the figures can be asked for alone; whatever else is asked for gets a sentence."""

from __future__ import annotations

import re

import pytest

from bench import choices


@pytest.mark.parametrize(
    ('line', 'parts', 'rounds'),
    [
        ('', choices.PARTS, 5),
        ('--part all', choices.PARTS, 5),
        ('--part events --rounds 2', ('events',), 2),
        ('--rounds 1', choices.PARTS, 1),
        *((f'--part {part}', (part,), 5) for part in choices.PARTS),
    ],
)
def test_what_is_asked_for_is_measured(line: str, parts: tuple[str, ...], rounds: int) -> None:
    assert choices.read(line.split()) == choices.Wanted(parts, rounds)


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        (
            '--part kafka',
            r"argument --part: invalid choice: 'kafka' \(choose .*all.*server.*worker.*events.*rebuild.*\)",
        ),
        ('--part', r'argument --part: expected one argument'),
        ('--rounds 0', r"argument --rounds: '0' is no number from 1 up"),
        ('--rounds -1', r"argument --rounds: '-1' is no number from 1 up"),
        ('--rounds two', r"argument --rounds: 'two' is no number from 1 up"),
        ('events', r'unrecognized arguments: events'),
    ],
)
def test_what_cannot_be_asked_for_gets_one_sentence(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        choices.read(line.split())

    assert ended.value.code == 2
    assert re.fullmatch(f'error: {said}\n', capsys.readouterr().err)
