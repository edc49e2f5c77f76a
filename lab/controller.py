"""Juju's controller on the cluster: bootstrapped once, found again after `down` and `up`."""

from __future__ import annotations

import json
import pathlib
import subprocess
import zipfile

from lab import commands, images, parts, programs, settings
from lab.progress import LabError, say, step

_NAMESPACE = f'controller-{settings.CONTROLLER}'
_MARK = settings.STATE / 'bootstrapped'
"""Bootstrapping got to its end, with which programs; goes with the state."""


def environment() -> dict[str, str]:
    """What a shell needs to speak to the lab: also what `lab env` prints."""
    return {'JUJU_DATA': str(settings.JUJU_DATA), 'KUBECONFIG': str(settings.KUBECONFIG)}


def _juju(*arguments: str) -> list[str]:
    return [str(programs.program('juju')), *arguments]


def up() -> None:
    """Bootstrap a controller unless there is one; wait until it answers.

    Raises:
        LabError: when Juju cannot bootstrap, or a controller that is there does not answer.
    """
    with step('controller up'):
        settings.JUJU_DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = _known()
        installed = commands.succeeds(parts.kubectl('get', 'namespace', _NAMESPACE))
        if known and installed and _MARK.exists():
            _must_be_of_this_build()
            images.ensure_juju()
            commands.wait_for('the controller answers', answers, seconds=120, log='bootstrap')
            return
        if known:
            commands.output(_juju('unregister', '--no-prompt', settings.CONTROLLER), env=environment())
        if installed:
            _remove_remains()
        images.ensure_juju()
        _bootstrap()


def _known() -> bool:
    """Whether the client has an entry for the controller: by its files, since the controller may not answer yet."""
    listing = json.loads(commands.output(_juju('controllers', '--format=json'), env=environment()))
    return settings.CONTROLLER in (listing['controllers'] or {})


def answers() -> bool:
    """Whether the controller answers a request within a few seconds."""
    try:
        result = subprocess.run(
            _juju('models', '--controller', settings.CONTROLLER, '--format=json'),
            capture_output=True,
            timeout=10,
            env={**environment(), 'HOME': str(pathlib.Path.home()), 'PATH': '/usr/bin:/bin'},
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0


def _must_be_of_this_build() -> None:
    """Refuse a controller whose agents come from other programs than the client."""
    if _MARK.read_text() != programs.key('juju'):
        raise LabError('the controller was made with another build of Juju: lab down --purge forgets it and its models')


def _bootstrap() -> None:
    charm = settings.STATE / 'juju-controller.charm'
    with zipfile.ZipFile(charm, 'w') as archive:
        for path in sorted((settings.LAB / 'controller-charm').iterdir()):
            info = zipfile.ZipInfo(path.name)
            info.external_attr = (0o755 if path.name == 'dispatch' else 0o644) << 16
            archive.writestr(info, path.read_text())
    if not commands.succeeds(_juju('show-cloud', settings.CLOUD, '--client'), env=environment()):
        add = _juju('add-k8s', settings.CLOUD, '--client', '--storage=hostpath')
        commands.run(add, what='adding the cluster to Juju', log='bootstrap', env=environment())
    bootstrap = _juju(
        'bootstrap',
        settings.CLOUD,
        settings.CONTROLLER,
        f'--controller-charm-path={charm}',
        '--config=controller-service-type=cluster',
    )
    commands.run(bootstrap, what='juju bootstrap', log='bootstrap', env=environment())
    _MARK.write_text(programs.key('juju'))


def _remove_remains() -> None:
    """Take away a controller that was killed while it was bootstrapped."""
    say('  removing an unfinished controller')
    commands.succeeds(parts.kubectl('delete', 'namespace', _NAMESPACE, '--timeout=120s'), seconds=150)
    _MARK.unlink(missing_ok=True)
