"""The scan on a real Temporal server: what only it can show of heartbeats, and of attempts that follow each other."""

from __future__ import annotations

import uuid

import development
import pytest
from acting import fail
from development import Temporal
from oci_factory.scan_model import ScanReport
from stand_ins import scanner
from stand_ins.server import Server

pytestmark = [
    pytest.mark.lab,
    # As in `test_workflow`.
    pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning'),
]


def scan(temporal: Temporal, *args: object) -> ScanReport:
    async def run() -> ScanReport:
        return await temporal.client.execute_workflow(
            'ScanImages',
            args=args,
            id=f'test-{uuid.uuid4()}',
            task_queue=development.QUEUE,
            result_type=ScanReport,
        )

    return temporal.wait(run())


def test_a_scan(temporal: Temporal, environment: Server) -> None:
    fail(environment, 302, match='/report', headers={'Refresh-After': '2'}, times=2)
    report = scan(temporal, 'v*')
    assert [one.image for one in report.images] == ['valkey', 'vault']
    assert not any(one.error for one in report.images)
    assert report.images[0].scanned == len(environment.stand_ins.scanner.recorded()) > 0


def test_the_next_attempt_knows_what_the_last_one_had_to_say(temporal: Temporal, environment: Server) -> None:
    count = scan(temporal, 'valkey', True).images[0].scanned
    environment.stand_ins.scanner.forget()
    # Its report cannot be had once, then it is lost, then it fails: only the last two are asked for anew.
    for fault in (502, 404, 500):
        fail(environment, fault, match='/scan-1/report' if fault == 502 else '/report')
    report = scan(temporal, 'valkey', True)
    assert not report.images[0].error
    assert len(environment.stand_ins.scanner.recorded()) == count + 2


def test_an_issue_is_opened_once(temporal: Temporal, environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_ISSUES', 'canonical/oci-factory')
    assert scan(temporal, 'valkey', True).images[0].scanned
    for asked in environment.stand_ins.scanner.recorded():
        environment.stand_ins.scanner.plant(asked['artifact']['digest'], [scanner.vulnerability('CVE-1')])
    fail(environment, 502, match='POST /github', after_recording=True)
    steps = [scan(temporal, 'valkey').images[0].step for _ in range(2)]
    assert steps == ['open', 'nothing']
    assert len(environment.stand_ins.github.issues.recorded()['canonical/oci-factory']) == 3
