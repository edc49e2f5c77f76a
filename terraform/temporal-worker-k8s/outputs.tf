# Made from the charm's own files by tests/surface/pages.py.

output "application" {
  description = "The application, as the provider describes it"
  value       = juju_application.worker
}

output "provides" {
  description = "Endpoints that others can require"
  value = {
    temporal_worker_info = "temporal-worker-info"
  }
}

output "requires" {
  description = "Endpoints that want a provider"
  value = {
    amqp               = "amqp"
    database           = "database"
    external_service   = "external-service"
    kafka              = "kafka"
    s3                 = "s3"
    temporal_host_info = "temporal-host-info"
  }
}
