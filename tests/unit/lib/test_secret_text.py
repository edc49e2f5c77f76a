"""What of a user's secret is no text."""

from __future__ import annotations

import json

import pytest
from temporal_charms.secret_text import is_binary


@pytest.mark.parametrize(
    ('value', 'binary'),
    [
        ('a\0b', True),
        # As Juju hands over bytes that are no UTF-8.
        (json.loads(json.dumps(b'caf\xe9'.decode(errors='replace'))), True),
        ('café', False),
        ('', False),
    ],
)
def test_given_a_value_then_it_is_told_whether_it_was_binary(value, binary):
    assert is_binary(value) == binary
