# What the provider is asked for; no controller takes part.
mock_provider "juju" {}

variables {
  channel    = "latest/edge"
  model_uuid = "1d10a751-02c1-43d5-b46b-d84fe04d6fde"
}

run "defaults" {
  assert {
    condition     = output.application.name == "external-service-integrator" && output.application.units == 1
    error_message = "without further variables there is one unit under the charm's own name"
  }

  assert {
    condition     = juju_application.integrator.charm[0].name == "external-service-integrator" && juju_application.integrator.charm[0].channel == "latest/edge"
    error_message = "the charm comes from the channel that the variable names"
  }
}

run "everything_is_passed_on" {
  variables {
    app_name    = "other"
    base        = "ubuntu@24.04"
    config      = { url = "https://mail.example/api" }
    constraints = "arch=amd64 mem=2G"
    revision    = 7
    units       = 3
  }

  assert {
    condition     = output.application.name == "other" && output.application.units == 3
    error_message = "name and number of units are those of the variables"
  }

  assert {
    condition     = juju_application.integrator.charm[0].base == "ubuntu@24.04" && juju_application.integrator.charm[0].revision == 7
    error_message = "base and revision are those of the variables"
  }

  assert {
    condition     = juju_application.integrator.constraints == "arch=amd64 mem=2G"
    error_message = "the constraints are those of the variable"
  }

  assert {
    condition     = juju_application.integrator.config["url"] == "https://mail.example/api"
    error_message = "the options are those of the variable"
  }
}

run "null_is_the_default" {
  variables {
    app_name    = null
    constraints = null
    units       = null
  }

  assert {
    condition     = output.application.name == "external-service-integrator" && output.application.constraints == "arch=amd64"
    error_message = "a module above may pass on what it was not given"
  }
}

run "constraints_may_not_be_empty" {
  command = plan

  variables {
    constraints = ""
  }

  expect_failures = [var.constraints]
}
