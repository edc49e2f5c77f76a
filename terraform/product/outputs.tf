output "components" {
  description = "Each charm's application, provides and requires; workers by their names"
  value = {
    admin   = module.admin
    server  = module.server
    workers = module.worker
  }
}

output "offers" {
  description = "URLs of what other models can be related to"
  value       = { for offer in juju_offer.temporal_host_info : "temporal_host_info" => offer.url }
}

output "provides" {
  description = "Endpoints of the server that others can require"
  value       = module.server.provides
}

output "requires" {
  description = "Endpoints of the server that want a provider, without those that this module relates"
  value = {
    for key, endpoint in module.server.requires : key => endpoint
    if !contains(["admin", "database", "db", "join_cluster", "visibility", "visibility_database"], key)
  }
}
