"""The page that explains statuses has a section for each condition of this charm, in the same order."""

from __future__ import annotations

import pathlib
import re

import conditions

_PAGE = pathlib.Path(__file__).parents[4] / 'docs' / 'how-to' / 'statuses.md'


def test_given_the_conditions_then_the_page_explains_each_and_no_other():
    sections = re.split(r'^## ', _PAGE.read_text(), flags=re.MULTILINE)
    (section,) = (text for text in sections if text.startswith('temporal-worker-k8s\n'))

    explained = re.findall(r'^### (.*)$', section, flags=re.MULTILINE)

    assert explained == [condition.name for condition in (*conditions.CONDITIONS, *conditions.OUTCOMES)]
