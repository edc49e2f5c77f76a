"""The lowest layer: is this the machine the lab is for, and has it the Debian packages."""

from __future__ import annotations

import os
import pathlib
import platform

from lab import commands, settings
from lab.progress import LabError, step


def check() -> None:
    """Say in one sentence what keeps the lab from this machine.

    Raises:
        LabError: when it is not an amd64 Debian 12 with root, or its kernel lacks what bridged pods need.
    """
    release = pathlib.Path('/etc/os-release').read_text()
    fields = dict(line.split('=', 1) for line in release.splitlines() if '=' in line)
    system = (fields.get('ID', '').strip('"'), fields.get('VERSION_ID', '').strip('"'))
    if system != ('debian', '12') or platform.machine() != 'x86_64':
        raise LabError(
            f'the lab runs on Debian 12 on amd64, this is {" ".join(system)} on {platform.machine()}: '
            'use MicroK8s and LAB=none (docs/how-to/microk8s.md)'
        )
    if os.geteuid() != 0:
        raise LabError('the lab starts a cluster and needs root: run it as root, or use LAB=none')
    if not pathlib.Path('/proc/sys/net/bridge').exists() and not commands.succeeds(['modprobe', 'br_netfilter']):
        raise LabError('the kernel has no br_netfilter, without which pods cannot reach services')


def wanted(file: str = 'debian.txt') -> list[str]:
    """The packages named in a file of the lab."""
    lines = (settings.LAB / file).read_text().splitlines()
    return [name for line in lines if (name := line.partition('#')[0].strip())]


def install(file: str = 'debian.txt') -> None:
    """Install the packages that are missing; nothing is asked of a registry if none is.

    Args:
        file: names them.

    Raises:
        LabError: when apt fails.
    """
    missing = [
        p for p in wanted(file) if not (commands.succeeds(['dpkg-query', '-W', '-f', '${Version}', p]) and _present(p))
    ]
    if not missing:
        return
    with step(f'Debian packages installed: {" ".join(missing)}') as meter:
        quiet = {'DEBIAN_FRONTEND': 'noninteractive'}
        # Debian starts a service when it is installed; the lab starts what it needs itself.
        policy = pathlib.Path('/usr/sbin/policy-rc.d')
        own_policy = not policy.exists()
        if own_policy:
            policy.write_text('#!/bin/sh\nexit 101\n')
            policy.chmod(0o755)
        try:
            commands.run(
                ['apt-get', 'update'], what='reading the package lists', log='apt', env=quiet, on_line=meter.show
            )
            commands.run(
                ['apt-get', 'install', '-y', '--no-install-recommends', *missing],
                what='installing Debian packages',
                log='apt',
                env=quiet,
                on_line=meter.show,
            )
        finally:
            if own_policy:
                policy.unlink()


def _present(package: str) -> bool:
    status = commands.output(['dpkg-query', '-W', '-f', '${db:Status-Status}', package])
    return status == 'installed'
