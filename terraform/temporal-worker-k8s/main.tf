resource "juju_application" "worker" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  config      = var.config
  constraints = var.constraints
  resources   = var.resources
  units       = var.units

  charm {
    name     = "temporal-worker-k8s"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }
}
