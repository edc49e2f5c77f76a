"""The juju commands that stand in pages, taken apart, to compare the names in them with the charms."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import re
import shlex
from collections.abc import Iterator

from surface import ROOT

_SPAN = re.compile(r'`([^`]+)`')
_WITH_VALUE = ('-m', '--model', '--config', '--resource', '--channel', '--file', '--reset', '-n', '--num-units')
_COMMAND = re.compile(r'\bjuju (?:run|config|deploy|integrate|attach-resource)\b.*')


@dataclasses.dataclass(frozen=True)
class Command:
    """A juju command as a page has it.

    Attributes:
        place: the page and the line.
        verb: what follows `juju`.
        words: everything after the verb, as a shell would split it.
    """

    place: str
    verb: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f'{self.place}: juju {" ".join((self.verb, *self.words))}'

    def values(self, flag: str) -> list[str]:
        """What stands behind each use of a flag, or joined to it with `=`."""
        found = [self.words[i + 1] for i, word in enumerate(self.words[:-1]) if word == flag]
        return found + [word.removeprefix(f'{flag}=') for word in self.words if word.startswith(f'{flag}=')]

    @property
    def plain(self) -> list[str]:
        """The words that are neither flags nor what belongs to one."""
        found = []
        skip = False
        for word in self.words:
            if skip or word.startswith('-'):
                skip = not skip and word in _WITH_VALUE
            else:
                found.append(word)
        return found


def pages() -> list[pathlib.Path]:
    """All pages for people; those in docs/reference/ are made from the charms."""
    found = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/**/*.md'), *ROOT.glob('terraform/**/*.md')]
    return sorted(path for path in found if '.terraform' not in path.parts)


def _texts(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Each line of code, and each span of code in a paragraph, with the number of its (paragraph's first) line."""
    # A line that is carried on takes up the next ones, and leaves empty ones behind: numbers stay right.
    text = re.sub(r'(?:.*\\\n)+.*', lambda match: _joined(match[0]), path.read_text())
    lines = text.splitlines()
    for is_code, group in itertools.groupby(enumerate(lines, 1), lambda numbered: numbered[1].startswith('    ')):
        if is_code:
            yield from group
            continue
        for is_empty, paragraph in itertools.groupby(group, lambda numbered: not numbered[1].strip()):
            if not is_empty:
                numbers, texts = zip(*paragraph, strict=True)
                yield from ((numbers[0], span) for span in _SPAN.findall(' '.join(texts)))


def _joined(lines: str) -> str:
    return re.sub(r'\\\n\s*', ' ', lines) + '\n' * lines.count('\n')


def commands() -> Iterator[Command]:
    """All juju commands in all pages that name something of a charm's, and not just themselves."""
    for path in pages():
        for number, text in _texts(path):
            for match in _COMMAND.finditer(text):
                command = _command(f'{path.relative_to(ROOT)}:{number}', match[0])
                if len(command.plain) > (command.verb == 'run'):
                    yield command


def _command(place: str, text: str) -> Command:
    text = re.split(r'\s&&\s|;\s|;$|\s\|\s', text)[0]
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        # A quote that the next line closes: what stands before it is enough.
        words = text.split()
    return Command(place, words[1], tuple(words[2:]))
