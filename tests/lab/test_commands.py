"""What the lab runs must answer: a client of a part that has started and does not answer waits for ever."""

from __future__ import annotations

import pytest

from lab import commands
from lab.progress import LabError


def test_given_a_program_that_does_not_end_when_asked_whether_it_succeeds_then_it_does_not():
    assert not commands.succeeds(['sleep', '60'], seconds=0.2)


def test_given_a_program_that_does_not_end_when_its_output_is_wanted_then_a_sentence_names_it():
    with pytest.raises(LabError, match=r'^sleep 60: not done after 1 s$'):
        commands.output(['sleep', '60'], seconds=1)
