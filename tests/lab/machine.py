"""What can be seen of the lab on the machine: processes, mounts, devices, tables, settings of the kernel."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess

from lab import processes, settings

DEVICES = (settings.NODE_DEVICE, settings.POD_BRIDGE)


def run(*argv: str, check: bool = True) -> str:
    """Standard output of a program, which must be done in two minutes."""
    result = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 or not check, result.stderr
    return result.stdout


def lab(command: str) -> str:
    """Run `lab COMMAND`, which must be done in five minutes; all it prints."""
    with subprocess.Popen(
        [settings.LAB / 'bin' / 'lab', command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
            raise AssertionError(f'lab {command} was not done after 300 s:\n{printed}') from None
    assert process.returncode == 0, printed
    return printed


def own_processes() -> dict[int, str]:
    """Pid to command line of everything that runs from the lab's home, for it, or in one of its pods."""
    found = {}
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            arguments = (folder / 'cmdline').read_text().replace('\0', ' ').strip()
            program = str((folder / 'exe').readlink())
            in_pod = 'kubepods' in (folder / 'cgroup').read_text()
        except OSError:
            continue
        of_lab = program.startswith(f'{settings.PROGRAMS}/') or f'{settings.RUN}/' in arguments
        if (in_pod or of_lab) and int(folder.name) != os.getpid():
            found[int(folder.name)] = arguments
    return found


def own_mounts() -> list[str]:
    """Mount points below the lab's home."""
    lines = pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f'{settings.HOME}/')]


def devices() -> set[str]:
    """Names of the network devices."""
    return {link['ifname'] for link in json.loads(run('ip', '-json', 'link', 'show'))}


def tables() -> set[str]:
    """The nftables tables."""
    return set(run('nft', 'list', 'tables').splitlines())


def chains() -> set[str]:
    """The iptables chains, where that can be asked at all."""
    found = set()
    for program in ('iptables-save', 'ip6tables-save'):
        try:
            listing = run(program, check=False)
        except FileNotFoundError:
            continue
        found |= {f'{program} {line.split()[0]}' for line in listing.splitlines() if line.startswith(':')}
    return found


def control_groups() -> list[str]:
    """Control groups of pods."""
    return [str(path) for path in pathlib.Path('/sys/fs/cgroup').glob('**/kubepods')]


def network_namespaces() -> list[str]:
    """Those with a name."""
    return run('ip', 'netns', 'list').splitlines()


def kernel_settings() -> dict[str, str]:
    """Every sysctl below net, vm and kernel that does not move by itself or per device."""
    # Devices come and go with the lab; the rest counts or is drawn anew with every reading.
    moving = ('/conf/', '/neigh/', '/random/', 'ns_last_pid', 'perf_event', 'nf_conntrack_count', '/sched_', '/pty/nr')
    found = {}
    for folder in ('net', 'vm', 'kernel'):
        for path in pathlib.Path('/proc/sys', folder).rglob('*'):
            if any(part in str(path) for part in moving) or not path.is_file():
                continue
            try:
                found[str(path)] = path.read_text(errors='replace')
            except OSError:
                continue
    return found


def kill(pid: int) -> None:
    """As the kernel kills, without a chance to tidy up."""
    os.kill(pid, signal.SIGKILL)


def restart() -> None:
    """What a restart of the machine does to the lab: every process, mount, device and table is gone, files stay.

    The number of the boot cannot be changed here; those that the lab has written down are.
    """
    # Parents first, so that none of them starts what was killed once more.
    pids = [pid for part in ('kubelet', 'containerd') if (pid := processes.pid(part))]
    for pid in [*pids, *own_processes()]:
        try:
            kill(pid)
        except ProcessLookupError:
            continue
    for mount in reversed(own_mounts()):
        run('umount', '-l', mount)
    for device in devices() & set(DEVICES):
        run('ip', 'link', 'delete', device)
    for table in ('ip kube-proxy', 'ip6 kube-proxy', f'ip {settings.NFT_TABLE}'):
        if f'table {table}' in tables():
            run('nft', 'delete', 'table', *table.split())
    (settings.RUN / 'boot').write_text('an earlier boot')
    for path in settings.RUN.glob('*.process'):
        path.write_text(json.dumps({**json.loads(path.read_text()), 'boot': 'an earlier boot'}))
    record = settings.RUN / 'host.json'
    record.write_text(json.dumps({**json.loads(record.read_text()), 'boot': 'an earlier boot'}))
