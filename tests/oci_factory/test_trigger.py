"""The trigger's text, and the check that the tests hold triggers against."""

from __future__ import annotations

from typing import Any

import pytest
import trigger_schema
import yaml
from oci_factory import plan, trigger
from samples import NOW, build, track


def test_the_trigger_as_it_is_sent() -> None:
    releases = {'3.10': track('5'), 'latest': track('5', risk='edge')}
    tags = {'3.10': 'sha256:a', 'edge': 'sha256:a'}
    text = trigger.dump(plan.plan_rebuild(releases, {'a/5': build()}, tags, NOW).uploads)
    assert (
        text
        == """\
version: 2
upload:
- source: canonical/rocks
  commit: c0ffee
  directory: rock/1.0
  ignored-vulnerabilities:
  - CVE-1
  - CVE-2
  release:
    '3.10':
      end-of-life: '2030-05-01T00:00:00Z'
      risks:
      - stable
    latest:
      end-of-life: '2030-05-01T00:00:00Z'
      risks:
      - edge
"""
    )
    trigger_schema.check(yaml.safe_load(text))


@pytest.mark.parametrize(
    'spoil',
    [
        lambda t: t.update(extra=1),
        lambda t: t.update(version=1),
        lambda t: t['upload'].append(t['upload'][0]),
        lambda t: t['upload'][0].update(digest='x'),
        lambda t: t['upload'][0].pop('commit'),
        lambda t: t['upload'][0].update({'ignored-vulnerabilities': 'CVE-1'}),
        lambda t: t['upload'][0].update(release={}),
        lambda t: t['upload'][0]['release']['a'].update(risks=[]),
        lambda t: t['upload'][0]['release']['a'].update(risks=['stable', 'lts']),
        lambda t: t['upload'][0]['release']['a'].update(risks=['stable', 'stable']),
        lambda t: t['upload'][0]['release']['a'].update({'end-of-life': '2030-05-01'}),
        lambda t: t['upload'][0]['release']['a'].pop('end-of-life'),
    ],
)
def test_both_schemas_refuse(spoil: Any) -> None:
    good = yaml.safe_load(
        trigger.dump(plan.plan_rebuild({'a': track()}, {'a/5': build()}, {'a': 'sha256:a'}, NOW).uploads)
    )
    trigger_schema.check(good)
    trigger.Trigger.model_validate(good)
    spoil(good)
    with pytest.raises(trigger_schema.Refused):
        trigger_schema.check(good)
    with pytest.raises(ValueError):
        trigger.Trigger.model_validate(good)
