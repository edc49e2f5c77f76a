# As whom, and of which controller, is told by JUJU_* in the environment, or by the juju client of this machine.
provider "juju" {}

data "juju_model" "there" {
  count = var.model_owner == "" ? 0 : 1

  name  = var.oci-factory-model
  owner = var.model_owner
}

resource "juju_model" "made" {
  count = var.model_owner == "" ? 1 : 0

  name = var.oci-factory-model

  cloud {
    name = var.juju_cloud_name
  }
}

locals {
  model_uuid = one(concat(data.juju_model.there[*].uuid, juju_model.made[*].uuid))

  # What the code reads; each may be replaced with env_settings. A proxy stands here, and not among the model's options,
  # since the provider changes none of a model that there is already.
  settings = merge(
    {
      OCI_FACTORY_GITHUB           = "https://api.github.com"
      OCI_FACTORY_REGISTRY         = "https://api.us-east-1.gallery.ecr.aws"
      OCI_FACTORY_RELEASES         = "https://api.github.com"
      ROCKS_EVENTBUS_KAFKA_ADDRESS = "kafka.staging.cs.canonical.com:9094"
      ROCKS_EVENTBUS_KARAPACE_URL  = "https://karapace.staging.cs.canonical.com"
      ROCKS_EVENTBUS_USERNAME      = var.env_eventbus_consumer_username
    },
    var.config_temporal_proxy == "" ? {} : {
      HTTP_PROXY  = var.config_temporal_proxy
      HTTPS_PROXY = var.config_temporal_proxy
      NO_PROXY    = ".canonical.com"
    },
    var.env_settings,
  )
}

# The charm makes variables of the secret's keys again: in capitals, with _ for -.
resource "juju_secret" "environment" {
  model_uuid = local.model_uuid
  name       = "${var.juju_application_name}-environment"
  info       = "Variables of the OCI Factory's workflows"

  value_wo = {
    for name, value in merge(
      local.settings,
      var.env_secrets,
      { ROCKS_EVENTBUS_PASSWORD = var.env_eventbus_consumer_password },
    ) : lower(replace(name, "_", "-")) => value
  }
  value_wo_version = var.secrets_version
}

resource "juju_secret" "candid" {
  model_uuid = local.model_uuid
  name       = "${var.juju_application_name}-candid"
  info       = "Who the worker is for the Temporal server"

  value_wo = {
    candid-url         = var.config_candid_url
    candid-username    = var.config_candid_username
    candid-public-key  = var.config_candid_public_key
    candid-private-key = var.config_candid_private_key
  }
  value_wo_version = var.secrets_version
}

resource "juju_access_secret" "worker" {
  for_each = {
    environment = juju_secret.environment.secret_id
    candid      = juju_secret.candid.secret_id
  }

  model_uuid   = local.model_uuid
  secret_id    = each.value
  applications = [module.worker.application.name]
}

module "worker" {
  source = "../../temporal-worker-k8s"

  app_name   = var.juju_application_name
  channel    = var.juju_application_channel
  model_uuid = local.model_uuid
  resources  = var.worker_image == null ? {} : { temporal-worker-image = var.worker_image }
  units      = var.units

  config = {
    auth-provider        = "candid"
    auth-secret-id       = juju_secret.candid.secret_uri
    consume              = var.config_consume
    environment-secrets  = juju_secret.environment.secret_uri
    host                 = can(regex(":[0-9]+$", var.config_temporal_host)) ? var.config_temporal_host : "${var.config_temporal_host}:443"
    namespace            = var.config_temporal_namespace
    queue                = var.config_temporal_queue
    schedules            = length(var.config_schedules) == 0 ? "" : yamlencode(var.config_schedules)
    supported-activities = "all"
    supported-workflows  = "all"
    tls                  = true
    tls-root-cas         = var.config_temporal_certificate
  }
}
