"""The base of all images: Debian 12 reduced to what a container needs, made with debootstrap."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import pathlib
import shutil

from lab import commands, settings
from lab.progress import step

_FOLDER = settings.ROOT / 'images' / 'base'


@functools.cache
def tag() -> str:
    """Changes with what the base is made of."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.iterdir()):
        digest.update(path.name.encode() + b'\0' + path.read_bytes())
    return f'bookworm-{digest.hexdigest()[:12]}'


def reference() -> str:
    """The base image's name in podman's storage."""
    return f'localhost/debian:{tag()}'


def ensure(environment: dict[str, str]) -> None:
    """Make the base image unless podman has it.

    Args:
        environment: podman's configuration.

    Raises:
        LabError: when debootstrap or the import fails.
    """
    if commands.succeeds(['podman', 'image', 'exists', reference()], env=environment):
        return
    root = settings.PODMAN / 'rootfs'
    with step('image base') as meter:
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        commands.run(
            ['debootstrap', '--variant=minbase', 'bookworm', str(root)],
            what='debootstrap of the base image',
            log='images',
            on_line=meter.show,
        )
        _reduce(root)
        archive = settings.PODMAN / 'rootfs.tar'
        pack = ['tar', '--sort=name', '--numeric-owner', '-C', str(root), '-cf', str(archive), '.']
        commands.run(pack, what='packing the base image', log='images')
        load = ['podman', 'import', '--quiet', str(archive), reference()]
        commands.run(load, what='importing the base image', log='images', env=environment)
        archive.unlink()
        shutil.rmtree(root)


def _reduce(root: pathlib.Path) -> None:
    """Take out what no container reads; dpkg is told to leave it out of what is installed later, too."""
    shutil.copy(_FOLDER / 'dpkg-excludes', root / 'etc/dpkg/dpkg.cfg.d/excludes')
    sources = pathlib.Path('/etc/apt/sources.list.d/debian.sources')
    if sources.exists():
        # The machine's own sources also name the security updates, which debootstrap does not know.
        shutil.copy(sources, root / 'etc/apt/sources.list.d/debian.sources')
        (root / 'etc/apt/sources.list').unlink(missing_ok=True)
    lines = (_FOLDER / 'dpkg-excludes').read_text().splitlines()
    excludes = [line.removeprefix('path-exclude=') for line in lines if line.startswith('path-exclude=')]
    includes = [line.removeprefix('path-include=') for line in lines if line.startswith('path-include=')]
    for pattern in excludes:
        for path in sorted(root.joinpath(pattern.strip('/*')).rglob('*'), reverse=True):
            inside = f'/{path.relative_to(root)}'
            if any(fnmatch.fnmatch(inside, include) for include in includes):
                continue
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
    for pattern in ('var/lib/apt/lists/*', 'var/cache/apt/*', 'var/log/*', 'var/cache/debconf/*-old'):
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
