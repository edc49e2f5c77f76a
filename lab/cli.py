"""The lab's commands: `lab up | down | status | env | pack | kafka | images | clean`."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys

from lab import cluster, controller, debian, host, images, java, packing, parts, processes, programs, settings
from lab.progress import LabError, say


def main() -> None:
    """Run one command; a failure is one sentence on standard error and exit status 1."""
    parser = argparse.ArgumentParser(prog='lab', description=__doc__)
    subcommands = parser.add_subparsers(dest='command', required=True)
    choices = {}
    for name, help_text in (
        ('up', 'build what is missing, start what does not run: programs, cluster, controller'),
        ('status', 'say what is there and what runs'),
        ('env', 'print the exports for a shell: eval "$(lab env)"'),
        ('pack', 'pack charms and workflows into dist/'),
        ('kafka', 'fetch Kafka and a schema registry, which some tests start'),
        ('images', 'build and push the images, write dist/resources.env'),
        ('clean', 'down, and remove everything the lab keeps on this machine'),
    ):
        choices[name] = subcommands.add_parser(name, help=help_text)
    down = subcommands.add_parser('down', help='end everything and leave the machine as it was; models are kept')
    down.add_argument('--purge', action='store_true', help='forget the models, too')
    choices['images'].add_argument('--previous', action='store_true', help="the previous Temporal's, too, for upgrades")
    choices['images'].add_argument('--neighbours', action='store_true', help='Kafka, RabbitMQ, MinIO and Swift, too')
    choices['pack'].add_argument(
        '--neighbours', action='store_true', help='kafka-k8s, rabbitmq-k8s, s3-integrator, too'
    )
    arguments = parser.parse_args()
    on_lab = os.environ.get('LAB', 'debian') != 'none'
    try:
        {
            'up': lambda: _up(on_lab),
            'down': lambda: _down(on_lab, purge=arguments.purge),
            'status': _status,
            'env': lambda: _env(on_lab),
            'pack': lambda: _pack(on_lab, neighbours=arguments.neighbours),
            'kafka': lambda: _kafka(on_lab),
            'images': lambda: _images(on_lab, previous=arguments.previous, neighbours=arguments.neighbours),
            'clean': lambda: _clean(on_lab),
        }[arguments.command]()
    except LabError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print('error: interrupted; the same command goes on where this one stopped', file=sys.stderr)
        sys.exit(130)


def _prepare() -> None:
    debian.check()
    debian.install()


def _up(on_lab: bool) -> None:
    if not on_lab:
        say('LAB=none: the controller that juju has is used, nothing is started')
        return
    _prepare()
    programs.ensure()
    cluster.up()
    controller.up()
    say('the lab is up; eval "$(make -s env)" lets this shell speak to it')


def _down(on_lab: bool, *, purge: bool) -> None:
    if not on_lab:
        say('LAB=none: the controller that juju has is left as it is')
        return
    cluster.down()
    if purge:
        _remove(settings.STATE)
    say('the lab is down' + (' and has forgotten its models' if purge else '; its models are kept'))


def _remove(folder) -> None:
    if mounts := host.own_mounts():
        raise LabError(f'{mounts[0]} is still mounted, nothing was removed')
    if folder.exists():
        shutil.rmtree(folder)


def _clean(on_lab: bool) -> None:
    _down(on_lab, purge=True)
    if not on_lab:
        return
    for folder in settings.HOME.iterdir():
        # The running uv stays; it is the only thing that the next run would fetch again at once.
        if folder.is_dir() and not folder.name.startswith('uv-'):
            _remove(folder)
    say(f'{settings.HOME} is empty but for uv')


def _env(on_lab: bool) -> None:
    if not on_lab:
        return
    for name, value in controller.environment().items():
        print(f'export {name}={shlex.quote(value)}')
    print(f'export PATH={shlex.quote(f"{settings.BIN}:{settings.LAB}/bin")}:"$PATH"')


def _pack(on_lab: bool, *, neighbours: bool) -> None:
    if on_lab:
        _prepare()
    packing.pack(on_lab=on_lab, neighbours=neighbours)


def _kafka(on_lab: bool) -> None:
    if on_lab:
        java.ensure()


def _images(on_lab: bool, *, previous: bool, neighbours: bool) -> None:
    resources = settings.DIST / 'resources.env'
    if not on_lab:
        if not resources.exists():
            raise LabError(f'LAB=none: write {resources}, as docs/how-to/microk8s.md says')
        return
    _prepare()
    sets, wanted = programs.SETS, images.SUITE
    if previous:
        sets, wanted = (*sets, programs.PREVIOUS), (*wanted, *images.PREVIOUS)
    if neighbours:
        sets, wanted = (*sets, programs.NEIGHBOURS), (*wanted, *images.NEIGHBOURS)
        java.ensure()
    programs.ensure(sets)
    cluster.up()
    images.ensure(wanted)
    say(f'images are in {settings.REGISTRY}, named in {images.write_resources().relative_to(settings.ROOT)}')


def _status() -> None:
    """Tell the truth about every layer; exit status 1 if the lab is not whole."""
    whole = True

    def tell(what: str, good: bool, detail: str) -> None:
        nonlocal whole
        whole = whole and good
        print(f'{"ok " if good else "-- "} {what:24} {detail}')

    missing = programs.missing()
    tell('programs', not missing, f'to be built: {", ".join(missing)}' if missing else str(settings.PROGRAMS))
    for part in parts.all_parts():
        pid = processes.pid(part.name)
        if pid is None:
            tell(part.name, False, 'does not run')
        else:
            answers = part.ready is None or part.ready()
            tell(part.name, answers, f'pid {pid}' if answers else f'pid {pid}, does not answer')
    if processes.pid('kubelet'):
        tell('node', cluster.node_ready(), settings.NODE)
        tell('controller', controller.answers(), settings.CONTROLLER)
    sys.exit(0 if whole else 1)
