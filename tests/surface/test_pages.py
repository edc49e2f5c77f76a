"""What is made from the charms' and the modules' own files is as it would be made now."""

from __future__ import annotations

import difflib
import pathlib

import pages
import pytest
from surface import ROOT

MADE = pages.made()


@pytest.mark.parametrize('page', MADE, ids=lambda page: str(page.relative_to(ROOT)))
def test_given_a_file_that_is_made_then_it_is_what_the_charms_and_modules_say(page: pathlib.Path):
    found = page.read_text() if page.exists() else ''

    changes = [*difflib.unified_diff(found.splitlines(), MADE[page].splitlines(), lineterm='', n=0)]

    if changes:
        sentence = f'{page.relative_to(ROOT)} is not what it is made from; renew it: {pages.RENEW}'
        pytest.fail('\n'.join([sentence, *changes]))


def test_given_the_reference_then_it_has_no_page_of_a_charm_that_is_gone():
    assert set((ROOT / 'docs' / 'reference').iterdir()) <= MADE.keys()
