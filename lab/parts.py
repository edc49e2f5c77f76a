"""The processes of the cluster: their commands, and how each tells that it is ready."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from lab import commands, host, pki, programs, settings


@dataclasses.dataclass(frozen=True)
class Part:
    """A process of the cluster.

    Attributes:
        name: of its process file and its log.
        argv: the command.
        ready: whether it answers, where that can be asked.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool] | None = None


def kubectl(*arguments: str) -> list[str]:
    """A kubectl command line for the lab's cluster."""
    return [str(programs.program('kubectl')), f'--kubeconfig={settings.KUBECONFIG}', *arguments]


def ctr(*arguments: str) -> list[str]:
    """A command line for the lab's containerd, in the namespace of the pods."""
    return ['ctr', '--address', str(settings.CONTAINERD_SOCKET), '--namespace', 'k8s.io', *arguments]


def etcd() -> Part:
    """The store of the API server."""
    return Part(
        'etcd',
        (
            str(programs.program('etcd')),
            f'--data-dir={settings.STATE}/etcd',
            '--name=lab',
            # A cluster that is thrown away need not survive a power cut.
            '--unsafe-no-fsync',
            f'--listen-client-urls={settings.ETCD}',
            f'--advertise-client-urls={settings.ETCD}',
            f'--listen-peer-urls={settings.ETCD_PEER}',
            f'--initial-advertise-peer-urls={settings.ETCD_PEER}',
            f'--initial-cluster=lab={settings.ETCD_PEER}',
        ),
        lambda: commands.answers(f'{settings.ETCD}/health'),
    )


def containerd() -> Part:
    """Runs the pods."""
    return Part(
        'containerd',
        ('/usr/bin/containerd', '--config', str(settings.ETC / 'containerd.toml')),
        lambda: commands.succeeds(ctr('version')),
    )


def apiserver() -> Part:
    """The API server, on the node's own device only."""
    return Part(
        'kube-apiserver',
        (
            str(programs.program('kube-apiserver')),
            f'--bind-address={settings.NODE_IP}',
            f'--advertise-address={settings.NODE_IP}',
            '--secure-port=6443',
            f'--etcd-servers={settings.ETCD}',
            f'--service-cluster-ip-range={settings.SERVICE_NETWORK}',
            '--allow-privileged=true',
            '--authorization-mode=Node,RBAC',
            '--enable-admission-plugins=NodeRestriction',
            '--anonymous-auth=true',
            f'--client-ca-file={pki.path("ca.crt")}',
            f'--tls-cert-file={pki.path("apiserver.crt")}',
            f'--tls-private-key-file={pki.path("apiserver.key")}',
            '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
            f'--service-account-key-file={pki.path("sa.pub")}',
            f'--service-account-signing-key-file={pki.path("sa.key")}',
            f'--kubelet-client-certificate={pki.path("apiserver-kubelet.crt")}',
            f'--kubelet-client-key={pki.path("apiserver-kubelet.key")}',
            f'--kubelet-certificate-authority={pki.path("ca.crt")}',
            '--kubelet-preferred-address-types=InternalIP,Hostname',
            f'--requestheader-client-ca-file={pki.path("front-ca.crt")}',
            '--requestheader-allowed-names=front-proxy-client',
            '--requestheader-extra-headers-prefix=X-Remote-Extra-',
            '--requestheader-group-headers=X-Remote-Group',
            '--requestheader-username-headers=X-Remote-User',
            f'--proxy-client-cert-file={pki.path("front-proxy.crt")}',
            f'--proxy-client-key-file={pki.path("front-proxy.key")}',
            '--endpoint-reconciler-type=lease',
            '--event-ttl=1h',
            '--profiling=false',
        ),
        lambda: commands.succeeds(kubectl('get', '--raw=/readyz')),
    )


def controllers() -> list[Part]:
    """What turns wishes into pods: controller manager and scheduler."""
    manager = pki.kubeconfig('kube-controller-manager')
    scheduler = pki.kubeconfig('kube-scheduler')
    return [
        Part(
            'kube-controller-manager',
            (
                str(programs.program('kube-controller-manager')),
                f'--kubeconfig={manager}',
                f'--authentication-kubeconfig={manager}',
                f'--authorization-kubeconfig={manager}',
                '--bind-address=127.0.0.1',
                '--leader-elect=false',
                '--use-service-account-credentials=true',
                f'--root-ca-file={pki.path("ca.crt")}',
                f'--service-account-private-key-file={pki.path("sa.key")}',
                f'--cluster-signing-cert-file={pki.path("ca.crt")}',
                f'--cluster-signing-key-file={pki.path("ca.key")}',
                f'--cluster-cidr={settings.POD_NETWORK}',
                f'--service-cluster-ip-range={settings.SERVICE_NETWORK}',
                '--allocate-node-cidrs=false',
                f'--requestheader-client-ca-file={pki.path("front-ca.crt")}',
            ),
        ),
        Part(
            'kube-scheduler',
            (
                str(programs.program('kube-scheduler')),
                f'--kubeconfig={scheduler}',
                f'--authentication-kubeconfig={scheduler}',
                f'--authorization-kubeconfig={scheduler}',
                '--bind-address=127.0.0.1',
                '--leader-elect=false',
            ),
        ),
    ]


def node_parts() -> list[Part]:
    """What makes the machine a node."""
    return [
        Part(
            'kubelet',
            (
                str(programs.program('kubelet')),
                f'--config={settings.ETC}/kubelet.yaml',
                f'--kubeconfig={pki.kubeconfig("kubelet")}',
                f'--hostname-override={settings.NODE}',
                f'--node-ip={settings.NODE_IP}',
                f'--root-dir={host.KUBELET_ROOT}',
                '--node-labels=topology.kubernetes.io/region=lab',
            ),
        ),
        Part('kube-proxy', (str(programs.program('kube-proxy')), f'--config={settings.ETC}/kube-proxy.yaml')),
        Part(
            'coredns',
            (str(programs.program('coredns')), '-conf', str(settings.ETC / 'Corefile')),
            lambda: commands.answers(settings.DNS_READY),
        ),
        Part(
            'hostpath-provisioner',
            (
                str(programs.program('hostpath-provisioner')),
                f'-kubeconfig={pki.kubeconfig("hostpath-provisioner")}',
                f'-root={settings.STATE}/volumes',
            ),
        ),
    ]


def registry() -> Part:
    """The registry on loopback through which images reach the cluster, as they do for users."""
    return Part(
        'docker-registry',
        ('/usr/bin/docker-registry', 'serve', str(settings.ETC / 'registry.yaml')),
        lambda: commands.answers(f'http://{settings.REGISTRY}/v2/'),
    )


def all_parts() -> list[Part]:
    """Every process of the cluster, in the order of starting."""
    return [etcd(), registry(), containerd(), apiserver(), *controllers(), *node_parts()]
