"""Links between pages lead somewhere."""

from __future__ import annotations

import pathlib
import re

import commands
import pytest
from surface import ROOT


@pytest.mark.parametrize('page', commands.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_given_a_page_then_its_links_into_the_repository_lead_to_files(page: pathlib.Path):
    targets = re.findall(r'\]\(([^)#\s]+)[^)]*\)', page.read_text())

    dead = [target for target in targets if '://' not in target and not (page.parent / target).exists()]

    assert dead == []
