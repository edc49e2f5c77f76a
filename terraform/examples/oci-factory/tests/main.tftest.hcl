# What the provider is asked for; no controller takes part.
mock_provider "juju" {
  mock_data "juju_model" {
    defaults = { uuid = "1d10a751-02c1-43d5-b46b-d84fe04d6fde" }
  }

  mock_resource "juju_model" {
    defaults = { uuid = "2d10a751-02c1-43d5-b46b-d84fe04d6fde" }
  }
}

variables {
  config_candid_private_key      = "private"
  config_candid_public_key       = "public"
  config_candid_username         = "rocks@candid"
  config_consume                 = "test.rocks.release.oci@oci-factory"
  config_temporal_queue          = "tests.oci-factory"
  env_eventbus_consumer_password = "secret"
  env_eventbus_consumer_username = "rocks"
  juju_application_channel       = "latest/edge"
}

run "the_worker_of_a_model_that_there_is" {
  assert {
    condition     = output.application.model_uuid == "1d10a751-02c1-43d5-b46b-d84fe04d6fde" && length(juju_model.made) == 0
    error_message = "the model is looked up, and none is made"
  }

  assert {
    condition     = output.application.units == 2 && output.application.config["namespace"] == "rocks"
    error_message = "two workers work in the namespace rocks"
  }

  assert {
    condition     = output.application.config["host"] == "temporal.staging.canonical.com:443"
    error_message = "the charm is told a port"
  }

  assert {
    condition     = output.application.config["environment-secrets"] == juju_secret.environment.secret_uri
    error_message = "the worker reads its variables from the secret"
  }

  assert {
    condition     = !strcontains(jsonencode(output.application.config), "private")
    error_message = "no secret stands in an option"
  }

  assert {
    condition     = yamldecode(output.application.config["schedules"])["oci-factory-rebuild"].every == "2d"
    error_message = "the rebuild is scheduled"
  }

  assert {
    condition     = endswith(output.attach, "temporal-worker-k8s workflows-file=../../../dist/oci-factory.tar")
    error_message = "what remains to be typed is told"
  }
}

run "secrets_stay_out_of_the_state" {
  assert {
    condition     = juju_secret.environment.value == null && juju_secret.candid.value == null
    error_message = "values are written, and not kept"
  }
}

run "a_model_is_made" {
  variables {
    model_owner          = ""
    config_temporal_host = "temporal.example:7233"
  }

  assert {
    condition     = output.application.model_uuid == "2d10a751-02c1-43d5-b46b-d84fe04d6fde"
    error_message = "the worker is in the model that is made"
  }

  assert {
    condition     = output.application.config["host"] == "temporal.example:7233"
    error_message = "a port that is named stays"
  }
}

run "a_wheel_under_its_own_name" {
  command = plan

  variables {
    config_temporal_workflows_file_path = "dist/oci_factory_workflows-0.0.1-py3-none-any.whl"
  }

  expect_failures = [var.config_temporal_workflows_file_path]
}
