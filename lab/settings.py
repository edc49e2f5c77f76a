"""Where the lab keeps its things and which names and addresses it uses: the one place to change them."""

from __future__ import annotations

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
"""The checkout."""

LAB = ROOT / 'lab'
DIST = ROOT / 'dist'
"""What `pack` and `images` leave for tests, demo and people."""

HOME = pathlib.Path(
    os.environ.get('TEMPORAL_LAB')
    or pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'temporal-lab'
)
"""Everything the lab keeps on the machine, shared by all checkouts: the addresses below exist once."""

UV = os.environ.get('UV', 'uv')
"""The pinned uv: `uv run` names itself to what it runs."""

PROGRAMS = HOME / 'programs'
GO = HOME / 'go'
PODMAN = HOME / 'podman'
STATE = HOME / 'state'
"""What survives `down`: etcd, images, volumes, certificates, Juju's client data."""

RUN = HOME / 'run'
"""Process files, sockets and the record of what was changed on this machine."""

ETC = RUN / 'etc'
"""The filled-in configuration files; there is one cluster, whichever checkout it was started from."""

LOG = HOME / 'log'
BIN = HOME / 'bin'
"""Links to the programs of the present build: what `env` puts on PATH."""

JUJU_DATA = STATE / 'juju'
KUBECONFIG = STATE / 'admin.conf'
CONTAINERD_SOCKET = RUN / 'containerd.sock'

NODE = 'temporal-lab'
NODE_DEVICE = 'tlab0'
NODE_IP = '10.243.0.1'
POD_BRIDGE = 'tlab-pods'
POD_NETWORK = '10.244.0.0/16'
SERVICE_NETWORK = '10.96.0.0/16'
API_SERVICE_IP = '10.96.0.1'
DNS_SERVICE_IP = '10.96.0.10'
NFT_TABLE = 'temporal-lab'
API = f'https://{NODE_IP}:6443'
ETCD = 'http://127.0.0.1:12379'
ETCD_PEER = 'http://127.0.0.1:12380'
DNS_READY = 'http://127.0.0.1:8181/ready'
REGISTRY = 'localhost:15000'
CONTROLLER = 'lab'
CLOUD = 'lab'
