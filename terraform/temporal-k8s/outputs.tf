# Made from the charm's own files by tests/surface/pages.py.

output "application" {
  description = "The application, as the provider describes it"
  value       = juju_application.server
}

output "provides" {
  description = "Endpoints that others can require"
  value = {
    cluster            = "cluster"
    temporal_host_info = "temporal-host-info"
  }
}

output "requires" {
  description = "Endpoints that want a provider"
  value = {
    admin               = "admin"
    database            = "database"
    db                  = "db"
    ingress             = "ingress"
    join_cluster        = "join-cluster"
    nginx_route         = "nginx-route"
    visibility          = "visibility"
    visibility_database = "visibility-database"
  }
}
