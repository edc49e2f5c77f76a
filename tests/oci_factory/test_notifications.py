"""Who is told what, and that nobody who cannot be told is waited for."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import json
import pathlib
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from acting import fail, failure, given_up, run
from decorated import ACTIVITIES, WORKFLOWS
from oci_factory import activities, notifiers, options, telling, web
from oci_factory.model import Notice, Notification, Report
from served import WEB
from simulation import Cancelled, Failed, Simulation
from smtp import PASSWORD, USER, MailServer
from stand_ins.server import Server
from temporalio.exceptions import ApplicationError
from test_secrets import everything

TITLE = '[OCI Factory Temporal Workflow]: RebuildForRelease: Rebuild rocks'
BEGUN = Notice('24.04', 'Triggered')
ENDED = Notice('24.04', 'Failed', ('go', 'jre'), {'valkey': 'the run ended with failure: http://page', '': 'tired'})


@pytest.fixture(scope='session')
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, pathlib.Path]:
    """What a server on this machine is certified by, and for."""
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert('localhost').configure_cert(context)
    path = tmp_path_factory.mktemp('authority') / 'ca.pem'
    issuer.cert_pem.write_to_path(path)
    return context, path


@pytest.fixture
def mail(
    environment: Server, monkeypatch: pytest.MonkeyPatch, authority: tuple[ssl.SSLContext, pathlib.Path]
) -> Iterator[MailServer]:
    context, path = authority
    with MailServer(context) as server:
        monkeypatch.setenv('OCI_FACTORY_SMTP_HOST', server.place)
        monkeypatch.setenv('OCI_FACTORY_SMTP_FROM', 'factory@example.com')
        monkeypatch.setenv('OCI_FACTORY_SMTP_TO', 'rocks@example.com, others@example.com')
        monkeypatch.setenv('OCI_FACTORY_SMTP_USER', USER)
        monkeypatch.setenv('OCI_FACTORY_SMTP_PASSWORD', PASSWORD)
        monkeypatch.setenv('SSL_CERT_FILE', str(path))
        web.authorities.cache_clear()
        yield server
    web.authorities.cache_clear()


def told(server: Server) -> dict[str, Any]:
    return server.stand_ins.notified.recorded()


def attachment(server: Server) -> dict[str, str]:
    (post,) = told(server)['posts']
    (found,) = post['props']['attachments']
    return found


def test_without_settings_nobody_is_told(environment: Server) -> None:
    assert run(activities.list_notifiers) == []


def test_a_post_is_grey_first_and_changed_at_the_end(mattermost: Server) -> None:
    assert run(activities.list_notifiers) == ['mattermost']
    handle = run(activities.notify, 'mattermost', BEGUN, '')
    link = f'{WEB}namespaces/default/workflows/test/test-run/history'
    text = f'**Release:** 24.04\n**Status:** Triggered\n[More details]({link})'
    assert attachment(mattermost) == {'fallback': text, 'title': TITLE, 'text': text, 'color': '#B0B0B0'}
    assert run(activities.notify, 'mattermost', ENDED, handle) == handle
    changed = attachment(mattermost)
    assert changed['color'] == '#CC0000'
    assert changed['text'].splitlines() == [
        '**Release:** 24.04',
        '**Status:** Failed',
        '**Rebuilt:** go, jre',
        '* tired',
        '* valkey: the run ended with failure: http://page',
        f'[More details]({link})',
    ]
    # What the server has added stays.
    assert told(mattermost)['posts'][0]['props']['from_bot'] == 'true'
    run(activities.notify, 'mattermost', Notice('24.04', 'Success', ('go',)), handle)
    assert attachment(mattermost)['color'] == '#33CC33'


def test_a_post_whose_answer_is_lost_is_not_made_twice(mattermost: Server) -> None:
    fail(mattermost, 502, match='posts', after_recording=True)
    assert not failure(activities.notify, 'mattermost', BEGUN, '').non_retryable
    assert run(activities.notify, 'mattermost', BEGUN, '', attempt=2) == 'post1'


def test_an_end_without_a_beginning_is_told(mattermost: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('OCI_FACTORY_TEMPORAL_WEB')
    run(activities.notify, 'mattermost', Notice('24.04', 'Success'), '')
    assert attachment(mattermost)['text'].endswith('\nWorkflow test')


def test_only_some_failures_are_told_one_by_one() -> None:
    lines = telling.lines(Notice('24.04', 'Failed', failed={f'image-{number:02}': 'no' for number in range(25)}))
    assert lines[0] == 'image-00: no' and lines[-2:] == ['image-19: no', 'and 5 more']


def test_a_webhook(webhook: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(activities.list_notifiers) == ['webhook']
    run(activities.notify, 'webhook', BEGUN, '')
    monkeypatch.setenv('OCI_FACTORY_WEBHOOK_SECRET', 'secret')
    run(activities.notify, 'webhook', ENDED, '')
    first, last = told(webhook)['hooks']
    assert first['body']['status'] == 'Triggered' and not first['signature']
    assert last['body'] == {
        'release': '24.04',
        'status': 'Failed',
        'rebuilt': ['go', 'jre'],
        'failed': {'valkey': 'the run ended with failure: http://page', '': 'tired'},
        'job': 'rebuild',
        'news': {},
        'namespace': 'default',
        'workflow_id': 'test',
        'run_id': 'test-run',
        'link': '',
    }
    sent = json.dumps(last['body']).encode()
    assert last['signature'] == 'sha256=' + hmac.new(b'secret', sent, hashlib.sha256).hexdigest()


def test_the_path_of_a_webhook_is_a_secret(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (f'{environment.url}/T000/Hidden', 'http://127.0.0.1:1/T000/Hidden'):
        monkeypatch.setenv('OCI_FACTORY_WEBHOOK_URL', url)
        assert 'Hidden' not in everything(failure(activities.notify, 'webhook', BEGUN, ''))


def test_the_path_of_a_webhook_is_not_logged(
    environment: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level('INFO')
    monkeypatch.setenv('OCI_FACTORY_WEBHOOK_URL', f'{environment.url}/webhook/Hidden')
    with contextlib.suppress(ApplicationError):
        run(activities.notify, 'webhook', BEGUN, '')
    assert 'Hidden' not in caplog.text


def test_a_mail_at_the_end(mail: MailServer) -> None:
    assert run(activities.list_notifiers) == ['mail']
    run(activities.notify, 'mail', BEGUN, '')
    assert mail.received == []
    run(activities.notify, 'mail', Notice('22.04', 'Success'), '')
    assert mail.received.pop()[0].get_content().splitlines() == ['Release: 22.04', 'Status: Success', 'Workflow test']
    run(activities.notify, 'mail', ENDED, '')
    ((message, user, secure),) = mail.received
    assert (user, secure) == (USER, True)
    assert message['Subject'] == '[OCI Factory] Rebuild for Ubuntu 24.04: Failed'
    assert message['To'] == 'rocks@example.com, others@example.com'
    assert message['Message-ID'] == '<test-run.failed@oci-factory.invalid>'
    assert message.get_content().splitlines() == [
        'Release: 24.04',
        'Status: Failed',
        'Rebuilt: go, jre',
        'tired',
        'valkey: the run ended with failure: http://page',
        'Workflow test',
    ]


def test_a_mail_of_what_is_waited_for(mail: MailServer) -> None:
    run(activities.notify, 'mail', Notice('24.04', 'Waiting', failed={'valkey': 'read_releases: 401'}), '')
    ((message, _, _),) = mail.received
    assert message['Subject'] == '[OCI Factory] Rebuild for Ubuntu 24.04: Waiting'
    assert 'valkey: read_releases: 401' in message.get_content().splitlines()


def test_a_mail_of_a_scan(mail: MailServer) -> None:
    run(activities.notify, 'mail', Notice('', 'Success', job='scan', news={'valkey': 'issue opened'}), '')
    ((message, _, _),) = mail.received
    assert message['Subject'] == '[OCI Factory] Vulnerability scan: Success'
    assert message.get_content().splitlines() == ['Status: Success', 'valkey: issue opened', 'Workflow test']


@pytest.mark.parametrize(
    ('variable', 'value', 'said', 'final'),
    [
        ('OCI_FACTORY_SMTP_PASSWORD', 'WrongPassword', 'check OCI_FACTORY_SMTP_USER and OCI_FACTORY_SMTP_PASS', True),
        ('OCI_FACTORY_SMTP_PASSWORD', '', 'OCI_FACTORY_SMTP_PASSWORD is not set', True),
        ('OCI_FACTORY_SMTP_SECURITY', 'none', 'use starttls or tls', True),
        ('OCI_FACTORY_SMTP_SECURITY', 'ssl', 'neither starttls nor tls nor none', True),
        ('OCI_FACTORY_SMTP_SECURITY', 'tls', 'did not take the mail (SSLError)', False),
        ('OCI_FACTORY_SMTP_HOST', 'localhost:mail', 'neither HOST nor HOST:PORT', True),
        ('OCI_FACTORY_SMTP_HOST', 'mail..example', 'OCI_FACTORY_SMTP_HOST is neither HOST nor HOST:PORT', True),
        ('OCI_FACTORY_SMTP_HOST', ':25', 'OCI_FACTORY_SMTP_HOST is neither HOST nor HOST:PORT', True),
        ('OCI_FACTORY_SMTP_PASSWORD', 'Schlüssel', 'OCI_FACTORY_SMTP_PASSWORD has characters beyond ASCII', True),
        ('OCI_FACTORY_SMTP_HOST', 'localhost:1', 'did not take the mail (ConnectionRefusedError)', False),
        ('OCI_FACTORY_SMTP_FROM', 'a\nBcc: b', 'is no address', True),
        ('OCI_FACTORY_SMTP_TO', ' ', 'OCI_FACTORY_SMTP_TO is not set', True),
        ('SSL_CERT_FILE', '', 'did not take the mail (SSLCertVerificationError)', False),
    ],
)
def test_a_mail_that_cannot_be_sent(
    mail: MailServer, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str, final: bool
) -> None:
    monkeypatch.setenv(variable, value)
    error = failure(activities.notify, 'mail', ENDED, '')
    assert said in error.message
    assert given_up(error, options.NOTIFY) == final
    assert PASSWORD not in everything(error) and 'WrongPassword' not in everything(error)


def test_an_addressee_who_is_refused_is_told_of_and_the_others_get_the_mail_once(mail: MailServer) -> None:
    mail.refused = 'others@example.com'
    error = failure(activities.notify, 'mail', ENDED, '')
    assert given_up(error, options.NOTIFY)
    assert error.message == 'localhost refuses 1 of 2 in OCI_FACTORY_SMTP_TO; the others have the mail'
    assert len(mail.received) == 1


@pytest.mark.parametrize('security', ['starttls', 'tls'])
def test_a_mail_that_may_have_been_taken_is_not_sent_twice(
    mail: MailServer, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    monkeypatch.setenv('OCI_FACTORY_SMTP_SECURITY', security)
    mail.at_once = security == 'tls'
    run(activities.notify, 'mail', ENDED, '')
    ((_, user, secure),) = mail.received
    assert (user, secure) == (USER, True)
    mail.silent = True
    error = failure(activities.notify, 'mail', ENDED, '')
    assert given_up(error, options.NOTIFY) and 'it may have done so' in error.message


def test_mail_without_encryption_and_user(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer(None) as server:
        monkeypatch.setenv('OCI_FACTORY_SMTP_HOST', server.place)
        monkeypatch.setenv('OCI_FACTORY_SMTP_FROM', 'factory@example.com')
        monkeypatch.setenv('OCI_FACTORY_SMTP_TO', 'rocks@example.com')
        error = failure(activities.notify, 'mail', ENDED, '')
        assert 'SMTPNotSupportedError' in error.message
        monkeypatch.setenv('OCI_FACTORY_SMTP_SECURITY', 'none')
        run(activities.notify, 'mail', ENDED, '')
        ((_, user, secure),) = server.received
        assert (user, secure) == ('', False)


@pytest.mark.parametrize(
    ('variable', 'value', 'said'),
    [
        ('MATTERMOST_SERVER', '', 'MATTERMOST_SERVER is not set'),
        ('MATTERMOST_SERVER', 'chat.example', 'MATTERMOST_SERVER is no http(s) URL'),
        ('MATTERMOST_TOKEN', 'a b', 'MATTERMOST_TOKEN has characters'),
        ('MATTERMOST_TOKEN', 'wrong', 'give a valid token as MATTERMOST_TOKEN'),
        ('MATTERMOST_CHANNEL_ID', 'other', 'post in the channel MATTERMOST_CHANNEL_ID'),
    ],
)
def test_mattermost_that_is_set_wrongly(
    mattermost: Server, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    error = failure(activities.notify, 'mattermost', BEGUN, '')
    assert given_up(error, options.NOTIFY) and said in error.message


def test_a_webhook_that_is_none(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_WEBHOOK_URL', 'hooks.example')
    assert 'is no http(s) URL' in failure(activities.notify, 'webhook', BEGUN, '').message
    monkeypatch.delenv('OCI_FACTORY_WEBHOOK_URL')
    assert 'no settings any more' in failure(activities.notify, 'webhook', BEGUN, '').message


# The workflow.


@pytest.fixture
def simulation(environment: Server) -> Simulation:
    return Simulation(WORKFLOWS, ACTIVITIES)


def test_a_rebuild_is_told_at_its_start_and_its_end(
    mattermost: Server, webhook: Server, simulation: Simulation
) -> None:
    report = simulation.run('RebuildForRelease', '24.04', 'v*', workflow_id='event-1')
    assert report.notifications == (Notification('mattermost'), Notification('webhook'))
    found = attachment(mattermost)
    assert found['color'] == '#33CC33' and '**Rebuilt:** valkey' in found['text']
    run_id = simulation.executions[0].run_id
    assert f'{WEB}namespaces/default/workflows/event-1/{run_id}/history' in found['text']
    assert [one['body']['status'] for one in told(webhook)['hooks']] == ['Triggered', 'Success']


def test_channels_that_cannot_be_listed_harm_nothing(
    mattermost: Server, simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(_: object) -> None:
        raise RuntimeError('out of memory')

    monkeypatch.setattr(notifiers, 'configured', fall_over)
    report = simulation.run('RebuildForRelease', '24.04', 'v*')
    assert {one.image for one in report.images if one.conclusion == 'success'} == {'valkey'}
    assert report.notifications == (Notification('any', 'out of memory'),)


def test_a_worker_that_is_away_for_minutes_loses_no_channel(mattermost: Server, simulation: Simulation) -> None:
    simulation.run('RebuildForRelease', '24.04', 'v*')
    scheduled = [event.activity_task_scheduled_event_attributes for event in simulation.executions[0].history.events]
    (listing,) = [one for one in scheduled if one.activity_type.name == 'list_notifiers']
    # Attempts are limited, and so is the time of each, but not the time between them.
    assert not listing.schedule_to_close_timeout.ToTimedelta()
    assert listing.start_to_close_timeout.ToTimedelta() and listing.retry_policy.maximum_attempts


def test_of_a_dry_run_nobody_is_told(mattermost: Server, simulation: Simulation) -> None:
    simulation.run('RebuildForRelease', '24.04', 'v*', True)
    assert told(mattermost)['posts'] == []


def test_failed_images_make_the_post_red(mattermost: Server, simulation: Simulation) -> None:
    fail(mattermost, 422, match='dispatches')
    simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert attachment(mattermost)['color'] == '#CC0000'
    assert '* valkey: dispatch_rebuild: POST' in attachment(mattermost)['text']


def test_a_rebuild_that_fails_as_a_whole_is_told(mattermost: Server, simulation: Simulation) -> None:
    fail(mattermost, 410, match='contents')
    with pytest.raises(Failed):
        simulation.run('RebuildForRelease', '24.04')
    assert attachment(mattermost)['color'] == '#CC0000'
    assert 'contents/oci: 410 (told to fail)' in attachment(mattermost)['text']


@pytest.mark.parametrize('seconds', [0.5, 2.5, 60])
def test_a_rebuild_that_is_cancelled_is_told(mattermost: Server, simulation: Simulation, seconds: float) -> None:
    fail(mattermost, 200, match='/runs/1', body={'status': 'in_progress', 'conclusion': None}, times=None)
    with pytest.raises(Cancelled):
        simulation.run('RebuildForRelease', '24.04', 'v*', False, 1, cancel_after=datetime.timedelta(seconds=seconds))
    assert attachment(mattermost)['color'] == '#CC0000'
    assert '**Status:** Cancelled' in attachment(mattermost)['text']
    # The images' workflows have ended with it.
    assert all(one.cancelled for one in simulation.executions if one.type != 'ImageLock')
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(seconds=seconds + 10)


@pytest.mark.parametrize('status', [0, 401, 429, 500])
def test_a_notifier_that_is_down_delays_and_fails_nothing(
    mattermost: Server, webhook: Server, simulation: Simulation, status: int
) -> None:
    undisturbed = Simulation(WORKFLOWS, ACTIVITIES)
    undisturbed.run('RebuildForRelease', '24.04', 'v*', workflow_id='undisturbed')
    mattermost.stand_ins.notified.forget()
    fail(mattermost, status, match='mattermost', times=None)
    report: Report = simulation.run('RebuildForRelease', '24.04', 'v*')
    assert {one.image for one in report.images if one.conclusion == 'success'} == {'valkey'}
    lost, well = report.notifications
    assert well == Notification('webhook')
    assert lost.channel == 'mattermost' and len(lost.lost.split('; POST')) == 2
    assert [one['body']['status'] for one in told(webhook)['hooks']] == ['Triggered', 'Success']

    def dispatched(one: Simulation) -> datetime.timedelta:
        (child,) = [each for each in one.executions if each.type == 'RebuildImage' and each.id.endswith('/valkey')]
        end = child.history.events[-1].event_time.ToDatetime(datetime.UTC)
        return end - one.executions[0].started

    assert dispatched(simulation) == dispatched(undisturbed)
    # The result waits for the attempts to end, which is soon.
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(seconds=75)
