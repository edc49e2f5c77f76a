module "server" {
  source = "../temporal-k8s"

  app_name    = var.server.app_name
  base        = var.server.base
  channel     = coalesce(var.server.channel, var.channel)
  config      = var.server.config
  constraints = var.server.constraints
  model_uuid  = var.model_uuid
  resources   = var.server.resources
  revision    = var.server.revision
  units       = var.server.units
}

module "admin" {
  source = "../temporal-admin-k8s"

  app_name    = var.admin.app_name
  base        = var.admin.base
  channel     = coalesce(var.admin.channel, var.channel)
  constraints = var.admin.constraints
  model_uuid  = var.model_uuid
  resources   = var.admin.resources
  revision    = var.admin.revision
  units       = var.admin.units
}

module "worker" {
  source   = "../temporal-worker-k8s"
  for_each = var.workers

  app_name    = each.key
  base        = each.value.base
  channel     = coalesce(each.value.channel, var.channel)
  config      = each.value.config
  constraints = each.value.constraints
  model_uuid  = var.model_uuid
  resources   = each.value.resources
  revision    = each.value.revision
  units       = each.value.units
}

# With other constraints the provider deploys an application anew, and Juju takes the former one's relations and offers
# away with it. So these are made anew, too; outputs of modules may not trigger that.
resource "terraform_data" "server" {
  input = var.server.constraints
}

resource "terraform_data" "admin" {
  input = var.admin.constraints
}

resource "terraform_data" "worker" {
  for_each = var.workers

  input = each.value.constraints
}

resource "juju_integration" "admin" {
  model_uuid = var.model_uuid

  application {
    name     = module.server.application.name
    endpoint = module.server.requires.admin
  }

  application {
    name     = module.admin.application.name
    endpoint = module.admin.provides.admin
  }

  lifecycle {
    replace_triggered_by = [terraform_data.server, terraform_data.admin]
  }
}

# The server keeps workflows in one database and the list of them in another; one PostgreSQL provides both.
resource "juju_integration" "database" {
  for_each = toset([module.server.requires.database, module.server.requires.visibility_database])

  model_uuid = var.model_uuid

  application {
    name     = module.server.application.name
    endpoint = each.key
  }

  application {
    name      = var.database.application
    endpoint  = var.database.application == null ? null : var.database.endpoint
    offer_url = var.database.offer_url
  }

  lifecycle {
    replace_triggered_by = [terraform_data.server]
  }
}

resource "juju_integration" "worker" {
  for_each = module.worker

  model_uuid = var.model_uuid

  application {
    name     = module.server.application.name
    endpoint = module.server.provides.temporal_host_info
  }

  application {
    name     = each.value.application.name
    endpoint = each.value.requires.temporal_host_info
  }

  lifecycle {
    replace_triggered_by = [terraform_data.server, terraform_data.worker[each.key]]
  }
}

resource "juju_offer" "temporal_host_info" {
  count = var.offer_temporal_host_info ? 1 : 0

  model_uuid       = var.model_uuid
  application_name = module.server.application.name
  endpoints        = [module.server.provides.temporal_host_info]

  lifecycle {
    replace_triggered_by = [terraform_data.server]
  }
}
