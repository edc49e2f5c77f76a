"""How large charms and images are, and how much memory the whole takes."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess

from bench.deployment import DIST
from lab import images


def charms() -> dict[str, float]:
    """MB of the packed charms."""
    return {path.name: path.stat().st_size / 1e6 for path in sorted(DIST.glob('*.charm'))}


def unpacked_images() -> dict[str, float]:
    """MB of the images, unpacked."""
    found = {}
    for image in images.SUITE:
        command = ['podman', 'image', 'inspect', images.reference(image)]
        environment = {**images.environment(), 'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root'}
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.returncode == 0:
            found[image.name] = json.loads(result.stdout)[0]['Size'] / 1e6
    return found


def memory() -> dict[str, int]:
    """MiB of proportional memory: of the pods' processes by name, and of the cluster's programs together."""
    pods: dict[str, int] = {}
    cluster = 0
    for process in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            in_pod = 'kubepods' in (process / 'cgroup').read_text()
            share = re.search(r'^Pss:\s+(\d+) kB$', (process / 'smaps_rollup').read_text(), re.MULTILINE)
            name = (process / 'comm').read_text().strip()
            program = str((process / 'exe').readlink())
        except OSError:
            continue
        if share and in_pod:
            pods[name] = pods.get(name, 0) + int(share[1])
        elif share and ('temporal-lab/' in program or name in ('containerd', 'containerd-shim', 'docker-registry')):
            cluster += int(share[1])
    found = {name: kib // 1024 for name, kib in sorted(pods.items(), key=lambda item: -item[1]) if kib >= 5 * 1024}
    return {'cluster (Kubernetes, etcd, containerd, registry)': cluster // 1024, **found}
