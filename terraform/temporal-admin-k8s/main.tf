resource "juju_application" "admin" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  constraints = var.constraints
  resources   = var.resources
  units       = var.units

  charm {
    name     = "temporal-admin-k8s"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }
}
