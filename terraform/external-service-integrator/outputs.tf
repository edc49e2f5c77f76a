# Made from the charm's own files by tests/surface/pages.py.

output "application" {
  description = "The application, as the provider describes it"
  value       = juju_application.integrator
}

output "provides" {
  description = "Endpoints that others can require"
  value = {
    external_service = "external-service"
  }
}

output "requires" {
  description = "Endpoints that want a provider"
  value       = {}
}
