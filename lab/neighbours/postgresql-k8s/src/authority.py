"""Certificates of an authority of the charm's own, made by openssl in the container."""

from __future__ import annotations

import dataclasses

import ops

# Everything by standard input and output: no key on disk but for a moment, none in an argument.
_SCRIPT = """
exec 3>&1 >&2
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >ca.cnf <<'END'
[req]
prompt = no
distinguished_name = name
x509_extensions = authority
[name]
CN = {app} of the lab
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
END
cat >server.cnf <<'END'
[req]
prompt = no
distinguished_name = name
[name]
CN = {app}
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
END
cat >ca.key <<'END'
{key}END
cat >ca.crt <<'END'
{certificate}END
new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
[ -s ca.key ] || openssl req -x509 $new -config ca.cnf -days 3650 -keyout ca.key -out ca.crt </dev/null
openssl req $new -config server.cnf -keyout server.key -out server.csr </dev/null
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile server.cnf \\
  -extensions server -out server.crt </dev/null
for file in ca.crt ca.key server.crt server.key; do cat $file; echo =====; done >&3
"""


@dataclasses.dataclass(frozen=True)
class Certificates:
    """An authority and a server's certificate by it, all PEM."""

    ca: str
    ca_key: str = dataclasses.field(repr=False)
    certificate: str
    key: str = dataclasses.field(repr=False)


def issue(container: ops.Container, app: str, names: list[str], by: Certificates | None) -> Certificates:
    """A new certificate for a server.

    Args:
        container: one with openssl.
        app: the application, which the authority is named after.
        names: DNS names of the server.
        by: the authority; a new one if there is none.
    """
    script = _SCRIPT.format(
        app=app,
        names=', '.join(f'DNS:{name}' for name in names),
        key=by.ca_key if by else '',
        certificate=by.ca if by else '',
    )
    process = container.exec(['sh', '-eu'], stdin=script, timeout=60)
    return Certificates(*process.wait_output()[0].split('=====\n')[:4])
