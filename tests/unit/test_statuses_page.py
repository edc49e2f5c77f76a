"""The page that explains statuses has a section for each condition of each charm, in the same order."""

from __future__ import annotations

import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).parent.parent.parent
_PAGE = _ROOT / 'docs' / 'how-to' / 'statuses.md'
_SOURCES = {
    'temporal-k8s': ['src/conditions.py'],
}


def _explained(charm: str) -> list[str]:
    sections = re.split(r'^## ', _PAGE.read_text(), flags=re.MULTILINE)
    (section,) = (text for text in sections if text.startswith(f'{charm}\n'))
    return re.findall(r'^### (.*)$', section, flags=re.MULTILINE)


@pytest.mark.parametrize('charm', _SOURCES)
def test_given_the_conditions_of_a_charm_then_the_page_explains_each_and_no_other(charm):
    source = ''.join((_ROOT / path).read_text() for path in _SOURCES[charm])

    assert _explained(charm) == re.findall(r"^    Condition\(\s*'([a-z-]+)'", source, flags=re.MULTILINE)
