resource "juju_application" "server" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  config      = var.config
  constraints = var.constraints
  resources   = var.resources
  units       = var.units

  charm {
    name     = "temporal-k8s"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }
}
