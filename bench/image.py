"""An image with a worker of its own: the worker's image, and bench/labour.py as a program."""

from __future__ import annotations

import hashlib
import pathlib
import tempfile

from bench import labour
from lab import commands, images, settings

COMMAND = 'python3 /srv/labour.py'
"""What starts the worker."""

_NAME = 'bench-worker'
_CONTAINERFILE = """ARG BASE
FROM ${BASE}
COPY --chmod=644 labour.py /srv/labour.py
"""


def ensure(base: str) -> tuple[str, str]:
    """Build and push it.

    Args:
        base: the worker's image.

    Returns:
        Two references of the same image: Juju replaces a pod only for another one than it has.

    Raises:
        LabError: when that fails.
    """
    program = pathlib.Path(labour.__file__).read_text()
    digest = hashlib.sha256(f'{base}\n{_CONTAINERFILE}\n{program}'.encode()).hexdigest()[:12]
    one, other = (f'{settings.REGISTRY}/{_NAME}:{digest}-{which}' for which in ('a', 'b'))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / 'Containerfile').write_text(_CONTAINERFILE)
        (folder / 'labour.py').write_text(program)
        build = ['podman', 'build', '--tls-verify=false', f'--build-arg=BASE={base}', f'--tag={one}', name]
        commands.run(build, what=f'building the image {_NAME}', log='images', env=images.environment())
    for reference in (one, other):
        push = ['podman', 'push', '--quiet', '--tls-verify=false', one, f'docker://{reference}']
        commands.run(push, what=f'pushing the image {_NAME}', log='images', env=images.environment())
    return one, other
