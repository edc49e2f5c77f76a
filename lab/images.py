"""Container images: built with podman from images/ and lab/images/, tagged by content, pushed to the lab's registry.

A tag is the hash of everything an image is made of, so that only what changed is built and moved, and a changed
image is a new reference, as `juju refresh` and `juju attach-resource` expect.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
import shutil
import urllib.request

from lab import base_image, commands, java, parts, programs, settings
from lab.progress import step


@dataclasses.dataclass(frozen=True)
class Image:
    """An image and what its folder does not contain.

    Attributes:
        name: of the image; of its folder, too.
        version: the readable part of the tag.
        folder: where its Containerfile is, relative to the checkout.
        programs: built programs that are put beside the Containerfile; `name=program` where it is called otherwise;
            `kafka` are Kafka's jars.
        requirements: the workspace member whose locked dependencies are put beside it, as `site-packages`.
        sources: files and folders of the checkout that are put beside it.
        resource: what it is called in dist/resources.env: the charm resource that it is for; empty if nobody asks.
    """

    name: str
    version: str
    folder: str
    programs: tuple[str, ...] = ()
    requirements: str = ''
    sources: tuple[str, ...] = ()
    resource: str = ''


SUITE = (
    Image(
        'temporal-server', '1.32.2', 'images/temporal-server', ('temporal-server',), resource='temporal-server-image'
    ),
    Image(
        'temporal-admin',
        '1.32.2',
        'images/temporal-admin',
        ('temporal-sql-tool', 'temporal', 'tctl', 'schema'),
        resource='temporal-admin-image',
    ),
    Image(
        'temporal-worker',
        '1.35.0',
        'images/temporal-worker',
        requirements='temporal-worker-image',
        resource='temporal-worker-image',
    ),
    Image('postgresql', '15', 'images/postgresql', resource='postgresql-image'),
    Image('nginx', '1.22', 'images/nginx', resource='nginx-image'),
    Image(
        'oci-factory-stand-ins',
        '1',
        'tests/oci_factory/stand_ins',
        sources=(
            'tests/oci_factory/data',
            'tests/oci_factory/generator.py',
            'tests/oci_factory/stand_ins',
        ),
        resource='oci-factory-stand-ins',
    ),
)
PREVIOUS = (
    Image(
        'temporal-server',
        '1.31.2',
        'images/temporal-server',
        ('temporal-server=temporal-server-previous',),
        resource='temporal-server-image-previous',
    ),
    Image(
        'temporal-admin',
        '1.31.2',
        'images/temporal-admin',
        ('temporal-sql-tool=temporal-sql-tool-previous', 'temporal', 'tctl', 'schema=schema-previous'),
        resource='temporal-admin-image-previous',
    ),
)
"""The release that is upgraded from, in images that differ from SUITE's in nothing else."""

NEIGHBOURS = (
    Image('kafka', '4.3.1', 'images/kafka', ('kafka',), resource='kafka-image'),
    Image('rabbitmq', '3.10', 'images/rabbitmq', resource='rabbitmq-image'),
    Image('minio', '2026-02-12', 'images/minio', ('minio',), resource='minio-image'),
    Image('oci-factory-swift', '2.30', 'tests/oci_factory/object_store', resource='oci-factory-swift'),
)
"""What stands beside the suite in long tests only, which is built if asked."""

JUJU_VERSION = '4.1-beta2'
PAUSE = Image('pause', '1', 'lab/images/pause', ('pause',))
JUJU = (
    Image(
        'juju/jujud-operator',
        JUJU_VERSION,
        'lab/images/jujud-operator',
        ('jujuagentd', 'jujuc', 'containeragent', 'pebble'),
    ),
    Image('juju/charm-base', 'ubuntu-24.04', 'lab/images/charm-base'),
)


def environment() -> dict[str, str]:
    """podman's configuration and storage: the lab's, not the machine's."""
    return {
        'CONTAINERS_CONF': str(settings.ETC / 'containers.conf'),
        'CONTAINERS_STORAGE_CONF': str(settings.ETC / 'storage.conf'),
    }


def _own_folder(image: Image) -> pathlib.Path:
    return settings.ROOT / image.folder


def _programs(image: Image) -> list[tuple[str, pathlib.Path]]:
    """What each of an image's programs is called in it, and where it is on this machine."""
    names = [(name, program or name) for name, _, program in (p.partition('=') for p in image.programs)]
    return [(name, _program(program)) for name, program in names]


def _program(name: str) -> pathlib.Path:
    return java.fetched() / name if name == java.NAME else programs.program(name)


@functools.cache
def tag(image: Image) -> str:
    """The image's tag: its version and the hash of what it is built from."""
    digest = hashlib.sha256(base_image.tag().encode())
    for source in (image.folder, *image.sources):
        root = settings.ROOT / source
        for path in sorted(root.rglob('*')) if root.is_dir() else [root]:
            if path.is_file() and '__pycache__' not in path.parts:
                digest.update(str(path.relative_to(settings.ROOT)).encode() + b'\0' + path.read_bytes())
    for _, program in _programs(image):
        digest.update(program.parent.name.encode())
    if image.requirements:
        digest.update(_requirements(image).encode())
    return f'{image.version}-{digest.hexdigest()[:12]}'


def reference(image: Image) -> str:
    """What a pod spec or `juju deploy --resource` names."""
    return f'{settings.REGISTRY}/{image.name}:{tag(image)}'


def pause_reference() -> str:
    """The image of the pods' sandbox process."""
    return reference(PAUSE)


def _requirements(image: Image) -> str:
    """The locked dependencies of a workspace member, with hashes."""
    export = [settings.UV, 'export', '--quiet', '--frozen', '--no-header', '--no-emit-project']
    return commands.output([*export, '--package', image.requirements, '--project', str(settings.ROOT)])


def _in_registry(name: str, image_tag: str) -> bool:
    """Whether the registry holds an image."""
    types = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json'
    request = urllib.request.Request(
        f'http://{settings.REGISTRY}/v2/{name}/manifests/{image_tag}', method='HEAD', headers={'Accept': types}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def ensure(images: tuple[Image, ...]) -> None:
    """Build and push the images that the registry does not hold.

    Raises:
        LabError: when a build or a push fails.
    """
    todo = [image for image in images if not _in_registry(image.name, tag(image))]
    if todo and any(_base_of(image) for image in todo):
        base_image.ensure(environment())
    for image in todo:
        with step(f'image {image.name}') as meter:
            _build(image, meter.show)


def ensure_pause() -> None:
    """The one image without which no pod starts."""
    ensure((PAUSE,))


def ensure_juju() -> None:
    """Juju's images, under the fixed tags that Juju asks for."""
    for image in JUJU:
        if _in_registry(image.name, tag(image)):
            continue
        ensure((image,))
        name = f'{settings.REGISTRY}/{image.name}'
        push = [
            'podman',
            'push',
            '--quiet',
            '--tls-verify=false',
            f'{name}:{tag(image)}',
            f'docker://{name}:{image.version}',
        ]
        commands.run(push, what=f'pushing {image.name}', log='images', env=environment())
        # The kubelet does not pull a tag again that it has.
        commands.succeeds(parts.ctr('images', 'remove', f'ghcr.io/{image.name}:{image.version}'))


def write_resources() -> pathlib.Path:
    """Leave `dist/resources.env`: a line per charm resource, with the image to deploy it with.

    Those that are built only if asked are named, too, where the registry holds them.
    """
    path = settings.DIST / 'resources.env'
    path.parent.mkdir(exist_ok=True)
    there = [image for image in (*PREVIOUS, *NEIGHBOURS) if _in_registry(image.name, tag(image))]
    lines = [f'{image.resource}={reference(image)}' for image in (*SUITE, *there) if image.resource]
    path.write_text('\n'.join(lines) + '\n')
    return path


def _base_of(image: Image) -> bool:
    return 'ARG BASE' in (_own_folder(image) / 'Containerfile').read_text()


def _build(image: Image, on_line) -> None:
    context = settings.PODMAN / 'context' / image.name
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(_own_folder(image), context)
    for name, path in _programs(image):
        if path.is_dir():
            shutil.copytree(path, context / name)
        else:
            os.link(path, context / name)
    for source in image.sources:
        path = settings.ROOT / source
        if path.is_dir():
            shutil.copytree(path, context / path.name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(path, context)
    if image.requirements:
        _install_requirements(image, context)
    local = f'{settings.REGISTRY}/{image.name}:{tag(image)}'
    build = [
        'podman',
        'build',
        '--network=host',
        f'--build-arg=BASE={base_image.reference()}',
        f'--tag={local}',
        str(context),
    ]
    commands.run(build, what=f'building the image {image.name}', log='images', env=environment(), on_line=on_line)
    push = ['podman', 'push', '--quiet', '--tls-verify=false', local]
    commands.run(push, what=f'pushing the image {image.name}', log='images', env=environment())
    shutil.rmtree(context)


def _install_requirements(image: Image, context: pathlib.Path) -> None:
    file = context / 'requirements.txt'
    file.write_text(_requirements(image))
    commands.run(
        [settings.UV, 'pip', 'install', '--quiet', '--require-hashes', '--python-version=3.11', '--only-binary=:all:',
         '--no-compile-bytecode', f'--target={context}/site-packages', f'--requirements={file}'],
        what=f'installing the locked dependencies of {image.name}',
        log='images',
    )  # fmt: skip
