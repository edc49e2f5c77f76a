"""The cluster's life: up, down, and what is left of it after a crash or a restart of the machine."""

from __future__ import annotations

import json
import pathlib
import shutil
import string

from lab import commands, host, images, parts, pki, processes, settings
from lab.progress import LabError, say, step


def render_configuration() -> None:
    """Fill lab/etc into the run folder; there is one state, whichever checkout it was started from."""
    values = {
        'state': settings.STATE,
        'run': settings.RUN,
        'log': settings.LOG,
        'pki': pki.FOLDER,
        'podman': settings.PODMAN,
        'node': settings.NODE,
        'node_ip': settings.NODE_IP,
        'pod_bridge': settings.POD_BRIDGE,
        'pod_network': settings.POD_NETWORK,
        'registry': settings.REGISTRY,
        'pause_image': images.pause_reference(),
    }
    targets = {'cni.conflist': 'cni/10-lab.conflist', 'mirror.toml': 'registries/ghcr.io/hosts.toml'}
    readers = {
        'Corefile': 'coredns',
        'containerd.toml': 'containerd',
        'kube-proxy.yaml': 'kube-proxy',
        'kubelet.yaml': 'kubelet',
        'registry.yaml': 'docker-registry',
    }
    for path in (settings.LAB / 'etc').iterdir():
        target = settings.ETC / targets.get(path.name, path.name)
        content = string.Template(path.read_text()).substitute(values)
        if target.exists() and target.read_text() == content:
            continue
        if path.name in readers:
            processes.stop(readers[path.name])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


def up() -> None:
    """Start what does not run and wait until the node takes pods.

    Raises:
        LabError: when a part does not get ready.
    """
    with step('cluster up'):
        _forget_an_earlier_boot()
        host.prepare()
        pki.ensure()
        render_configuration()
        (settings.STATE / 'etcd').mkdir(parents=True, exist_ok=True, mode=0o700)
        for part in [parts.etcd(), parts.registry(), parts.containerd(), parts.apiserver()]:
            _start(part)
            if part.name == 'docker-registry':
                images.ensure_pause()
        for part in parts.controllers():
            _start(part)
        commands.output(parts.kubectl('apply', '-f', str(settings.LAB / 'manifests' / 'base.yaml')))
        for part in parts.node_parts():
            _start(part)
        commands.wait_for('the node is ready', node_ready, seconds=90, log='kubelet')
        commands.wait_for(
            'the service account "default" exists',
            lambda: commands.succeeds(parts.kubectl('--namespace=default', 'get', 'serviceaccount', 'default')),
            seconds=60,
            log='kube-controller-manager',
        )


def _start(part: parts.Part) -> None:
    started = processes.start(part.name, part.argv)
    if started:
        say(f'  {part.name} started')
    if part.ready:
        ready = part.ready

        def condition() -> bool:
            processes.must_run(part.name)
            return ready()

        commands.wait_for(f'{part.name} answers', condition, seconds=120, log=part.name)


def node_ready() -> bool:
    """Whether Kubernetes says that the node takes pods."""
    processes.must_run('kubelet')
    try:
        node = json.loads(commands.output(parts.kubectl('get', 'node', settings.NODE, '--output=json')))
    except LabError:
        return False
    conditions = {c['type']: c['status'] for c in node['status'].get('conditions', [])}
    return conditions.get('Ready') == 'True'


def _forget_an_earlier_boot() -> None:
    """After a restart of the machine, remove what containerd left on disk about processes that are gone."""
    mark = settings.RUN / 'boot'
    if mark.exists() and mark.read_text() != host.boot():
        shutil.rmtree(settings.RUN / 'containerd', ignore_errors=True)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(host.boot())


def down() -> None:
    """End every process of the cluster, and its pods; take back what was changed on the machine."""
    for name in (
        'hostpath-provisioner',
        'coredns',
        'kube-proxy',
        'kubelet',
        'kube-scheduler',
        'kube-controller-manager',
    ):
        processes.stop(name)
    sockets = _end_pods()
    for name in ('containerd', 'kube-apiserver', 'docker-registry', 'etcd'):
        processes.stop(name, seconds=20)
    host.restore()
    for socket in sockets:
        socket.unlink(missing_ok=True)
    for path in pathlib.Path('/var/lib/cni/results').glob('temporal-lab-*'):
        path.unlink()
    for link in pathlib.Path('/var/log/containers').glob('*.log'):
        # kubelet puts these here whatever its configuration says.
        if link.is_symlink() and str(link.readlink()).startswith(f'{settings.LOG}/'):
            link.unlink()
    shutil.rmtree(settings.STATE / 'cni', ignore_errors=True)


def _end_pods() -> list[pathlib.Path]:
    """Kill the containers, whose shims outlive containerd, and return the sockets that the shims leave behind."""
    if processes.pid('containerd') is None:
        # Without containerd nothing knows the pods: start it once more to be told.
        if not (settings.RUN / 'containerd').exists():
            return []
        processes.start('containerd', parts.containerd().argv)
        commands.wait_for(
            'containerd answers', lambda: commands.succeeds(parts.ctr('version')), seconds=60, log='containerd'
        )
    sockets = []
    for address in (settings.RUN / 'containerd').glob('io.containerd.runtime.v2.task/k8s.io/*/address'):
        sockets.append(pathlib.Path(address.read_text().strip().removeprefix('unix://')))
    tasks = commands.output(parts.ctr('tasks', 'list', '--quiet')).split()
    for task in tasks:
        commands.succeeds(parts.ctr('tasks', 'kill', '--signal', 'SIGKILL', task))
    for task in tasks:
        commands.succeeds(parts.ctr('tasks', 'delete', '--force', task))
    if tasks:
        say(f'{len(tasks)} containers ended')
    return sockets
