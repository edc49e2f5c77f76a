"""What the lab changes on the machine itself: recorded before it is changed, undone from the record.

Nothing that was there before the lab is ever removed, and nothing of the lab stays: settings of the kernel,
devices, the nftables tables, mounts, network namespaces of pods, control groups.
"""

from __future__ import annotations

import json
import pathlib
import subprocess

from lab import commands, settings

# kubelet sets the last four itself when its protectKernelDefaults is off; recorded here so that `down` can undo them.
SYSCTLS = {
    'net/ipv4/ip_forward': '1',
    'net/bridge/bridge-nf-call-iptables': '1',
    'vm/overcommit_memory': None,
    'vm/panic_on_oom': None,
    'kernel/panic': None,
    'kernel/panic_on_oops': None,
}
_RECORD = settings.RUN / 'host.json'
KUBELET_ROOT = settings.STATE / 'kubelet'


def boot() -> str:
    """Identifies the present boot of the machine."""
    return pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()


def _load() -> dict:
    """The record of this boot; what an earlier boot changed is gone with it."""
    try:
        record = json.loads(_RECORD.read_text())
    except (OSError, ValueError):
        record = {}
    return record if record.get('boot') == boot() else {'boot': boot(), 'sysctls': {}, 'tables': []}


def _save(record: dict) -> None:
    _RECORD.parent.mkdir(parents=True, exist_ok=True)
    _RECORD.write_text(json.dumps(record))


def prepare() -> None:
    """Make the machine ready for a cluster; does nothing where it is.

    Raises:
        LabError: when a device or a table cannot be made.
    """
    record = _load()
    for key, value in SYSCTLS.items():
        path = pathlib.Path('/proc/sys', key)
        if key not in record['sysctls'] and path.exists():
            record['sysctls'][key] = path.read_text().strip()
            _save(record)
        if value is not None:
            path.write_text(value)
    tables = commands.output(['nft', 'list', 'tables'])
    for table in ('ip kube-proxy', 'ip6 kube-proxy', f'ip {settings.NFT_TABLE}'):
        # One that is there although the lab does not run belongs to somebody else.
        if table not in record['tables'] and f'table {table}\n' not in tables:
            record['tables'].append(table)
    _save(record)
    if not commands.succeeds(['ip', 'link', 'show', settings.NODE_DEVICE]):
        # A bridge without ports carries the node's address: there are kernels without the dummy driver.
        commands.output(['ip', 'link', 'add', settings.NODE_DEVICE, 'type', 'bridge'])
    commands.output(['ip', 'addr', 'replace', f'{settings.NODE_IP}/32', 'dev', settings.NODE_DEVICE])
    commands.output(['ip', 'link', 'set', settings.NODE_DEVICE, 'up'])
    _masquerade()
    KUBELET_ROOT.mkdir(parents=True, exist_ok=True)
    if str(KUBELET_ROOT) not in _mount_points():
        # A shared mount of its own, so that what pods mount propagates although / is private.
        commands.output(['mount', '--bind', str(KUBELET_ROOT), str(KUBELET_ROOT)])
        commands.output(['mount', '--make-rshared', str(KUBELET_ROOT)])


def _masquerade() -> None:
    """One table of our own for the pods' way out; the CNI plugin would leave an iptables chain per pod."""
    rules = f"""
        table ip {settings.NFT_TABLE}
        delete table ip {settings.NFT_TABLE}
        table ip {settings.NFT_TABLE} {{
            chain postrouting {{
                type nat hook postrouting priority srcnat
                ip saddr {settings.POD_NETWORK} ip daddr != {{ {settings.POD_NETWORK}, {settings.NODE_IP} }} masquerade
            }}
        }}
    """
    subprocess.run(['nft', '-f', '-'], input=rules, text=True, check=True, capture_output=True)


def _mount_points() -> list[str]:
    """All mount points, the innermost last."""
    lines = pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
    return [line.split()[4].replace('\\040', ' ') for line in lines]


def own_mounts() -> list[str]:
    """Mounts below the lab's home, in the order in which they can be removed."""
    return [m for m in reversed(_mount_points()) if m.startswith(f'{settings.HOME}/')]


def restore() -> None:
    """Undo everything `prepare` did and what the cluster's parts left in the kernel."""
    for mount in own_mounts():
        commands.succeeds(['umount', '-l', mount])
    for device in (settings.POD_BRIDGE, settings.NODE_DEVICE):
        if commands.succeeds(['ip', 'link', 'show', device]):
            commands.output(['ip', 'link', 'delete', device])
    record = _load()
    # Asked only if something was made: `down` must not need tools that `up` has not installed yet.
    tables = commands.output(['nft', 'list', 'tables']) if record['tables'] else ''
    for table in record['tables']:
        if f'table {table}\n' in tables:
            commands.output(['nft', 'delete', 'table', *table.split()])
    for group in pathlib.Path('/sys/fs/cgroup').glob('**/kubepods'):
        for folder in sorted(group.rglob('*'), reverse=True):
            if folder.is_dir():
                _remove_empty(folder)
        _remove_empty(group)
    for key, value in record['sysctls'].items():
        pathlib.Path('/proc/sys', key).write_text(value)
    _RECORD.unlink(missing_ok=True)


def _remove_empty(group: pathlib.Path) -> None:
    """Remove a control group if no process is in it; one of another kubelet has some."""
    try:
        group.rmdir()
    except OSError:
        pass
