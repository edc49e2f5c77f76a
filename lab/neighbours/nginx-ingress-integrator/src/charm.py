#!/usr/bin/env python3
"""nginx-ingress-integrator in miniature: one reconcile for every event."""

from __future__ import annotations

import json

import ops

import nginx
from definition import Definition, InvalidDefinition, from_ingress, from_nginx_route

_INGRESS, _NGINX_ROUTE = 'ingress', 'nginx-route'


class NginxIngressCharm(ops.CharmBase):
    """One nginx and its one route."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container('nginx')
        self._nginx = nginx.Nginx(self._container)
        events = [self.on.config_changed, self.on.nginx_pebble_ready, self.on.upgrade_charm, self.on.update_status]
        for name in (_INGRESS, _NGINX_ROUTE):
            events += [self.on[name].relation_changed, self.on[name].relation_departed, self.on[name].relation_broken]
        for event in events:
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _definition(self) -> Definition | None:
        """The route asked for; None while nobody asks.

        Raises:
            InvalidDefinition: when it cannot be routed.
        """
        related = {name: self._relation(name) for name in (_INGRESS, _NGINX_ROUTE)}
        if all(related.values()):
            raise InvalidDefinition('Both nginx-route and ingress relations found, please remove either one.')
        if relation := related[_NGINX_ROUTE]:
            return from_nginx_route(self.config, relation.data[relation.app])
        if relation := related[_INGRESS]:
            return from_ingress(self.config, relation.data[relation.app], [relation.data[u] for u in relation.units])
        return None

    def _relation(self, name: str) -> ops.Relation | None:
        """The relation of an endpoint, once its requirer has said something."""
        for relation in self.model.relations[name]:
            if relation.active and relation.app and relation.data[relation.app] and relation.units:
                return relation
        return None

    def _reconcile(self, _: ops.EventBase) -> None:
        if not self._container.can_connect():
            return
        try:
            definition = self._definition()
        except InvalidDefinition:
            definition = None
        self._nginx.apply(nginx.render(definition, nginx.cluster_dns()))
        self.unit.set_ports(nginx.PORT)
        relation = self._relation(_INGRESS)
        if definition and relation and self.unit.is_leader():
            url = f'http://{definition.hostname}{definition.paths[0]}'
            relation.data[self.app]['ingress'] = json.dumps({'url': url})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        try:
            definition = self._definition()
        except InvalidDefinition as error:
            event.add_status(ops.BlockedStatus(str(error)))
            return
        if not self._container.can_connect() or not self._nginx.running():
            event.add_status(ops.WaitingStatus('waiting for nginx'))
        elif definition is None:
            event.add_status(ops.WaitingStatus('waiting for relation'))
        else:
            binding = self.model.get_binding(_NGINX_ROUTE)
            address = binding.network.ingress_address if binding else ''
            event.add_status(ops.ActiveStatus(f'Ingress IP(s): {address}'))


if __name__ == '__main__':
    ops.main(NginxIngressCharm)
