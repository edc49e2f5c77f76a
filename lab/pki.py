"""Certificates and kubeconfigs of the cluster: made once, kept with its state."""

from __future__ import annotations

import base64
import json
import pathlib

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import settings

FOLDER = settings.STATE / 'pki'

_CLIENTS = {
    'admin': ('temporal-lab-admin', 'system:masters'),
    'kubelet': (f'system:node:{settings.NODE}', 'system:nodes'),
    'kube-controller-manager': ('system:kube-controller-manager', None),
    'kube-scheduler': ('system:kube-scheduler', None),
    'kube-proxy': ('system:kube-proxy', None),
    'coredns': ('coredns', 'temporal-lab'),
    'hostpath-provisioner': ('hostpath-provisioner', 'temporal-lab'),
}
"""Who speaks to the API server: file name to common name and organisation (Kubernetes' user and group)."""


def path(name: str) -> pathlib.Path:
    """A file of the cluster's keys and certificates."""
    return FOLDER / name


def kubeconfig(name: str) -> pathlib.Path:
    """The kubeconfig of one of the cluster's parts."""
    return FOLDER / f'{name}.conf'


def ensure() -> None:
    """Make everything that is not there yet."""
    done = FOLDER / '.done'
    if done.exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = trustme.CA(organization_name='temporal-lab')
    front_authority = trustme.CA(organization_name='temporal-lab front proxy')
    authority.cert_pem.write_to_path(str(path('ca.crt')))
    authority.private_key_pem.write_to_path(str(path('ca.key')))
    front_authority.cert_pem.write_to_path(str(path('front-ca.crt')))
    names = [f'kubernetes{suffix}' for suffix in ('', '.default', '.default.svc', '.default.svc.cluster.local')]
    _write(
        authority.issue_cert(*names, 'localhost', '127.0.0.1', settings.NODE_IP, settings.API_SERVICE_IP), 'apiserver'
    )
    _write(authority.issue_cert(settings.NODE, settings.NODE_IP, '127.0.0.1'), 'kubelet-server')
    _write(_client(authority, 'kube-apiserver-kubelet-client', 'system:masters'), 'apiserver-kubelet')
    _write(_client(front_authority, 'front-proxy-client', None), 'front-proxy')
    _service_account_keys()
    for name, (user, group) in _CLIENTS.items():
        _kubeconfig(authority, _client(authority, user, group), kubeconfig(name))
    settings.KUBECONFIG.write_bytes(kubeconfig('admin').read_bytes())
    settings.KUBECONFIG.chmod(0o600)
    done.touch()


def _client(authority: trustme.CA, user: str, group: str | None) -> trustme.LeafCert:
    # A certificate without any name would have an empty critical extension, which Go refuses.
    return authority.issue_cert('client.temporal-lab', common_name=user, organization_name=group or 'temporal-lab')


def _write(leaf: trustme.LeafCert, name: str) -> None:
    leaf.private_key_pem.write_to_path(str(path(f'{name}.key')))
    path(f'{name}.crt').write_bytes(b''.join(pem.bytes() for pem in leaf.cert_chain_pems))


def _service_account_keys() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path('sa.key').write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    path('sa.pub').write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _kubeconfig(authority: trustme.CA, leaf: trustme.LeafCert, target: pathlib.Path) -> None:
    def data(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    # JSON is YAML: no further library is needed to write it.
    target.write_text(
        json.dumps(
            {
                'apiVersion': 'v1',
                'kind': 'Config',
                'current-context': 'lab',
                'contexts': [{'name': 'lab', 'context': {'cluster': 'lab', 'user': 'lab'}}],
                'clusters': [
                    {
                        'name': 'lab',
                        'cluster': {
                            'server': settings.API,
                            'certificate-authority-data': data(authority.cert_pem.bytes()),
                        },
                    }
                ],
                'users': [
                    {
                        'name': 'lab',
                        'user': {
                            'client-certificate-data': data(leaf.cert_chain_pems[0].bytes()),
                            'client-key-data': data(leaf.private_key_pem.bytes()),
                        },
                    }
                ],
            },
            indent=1,
        )
    )
    target.chmod(0o600)
