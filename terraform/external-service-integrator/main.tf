resource "juju_application" "integrator" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  config      = var.config
  constraints = var.constraints
  units       = var.units

  charm {
    name     = "external-service-integrator"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }
}
