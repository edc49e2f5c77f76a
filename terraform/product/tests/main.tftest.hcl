# What the provider is asked for; no controller takes part.
mock_provider "juju" {}

variables {
  channel    = "latest/edge"
  model_uuid = "1d10a751-02c1-43d5-b46b-d84fe04d6fde"
  database   = { application = "postgresql-k8s" }
}

run "a_server_with_its_databases" {
  assert {
    condition     = output.components.server.application.name == "temporal-k8s" && output.components.admin.application.name == "temporal-admin-k8s"
    error_message = "server and admin charm are there under their own names"
  }

  assert {
    condition     = length(output.components.workers) == 0 && length(output.offers) == 0
    error_message = "workers and offers are there if they are asked for"
  }

  assert {
    condition     = toset(keys(juju_integration.database)) == toset(["database", "visibility-database"])
    error_message = "the server is related to PostgreSQL twice"
  }

  assert {
    condition = alltrue([
      for relation in juju_integration.database :
      contains([for side in relation.application : "${coalesce(side.name, "-")}:${coalesce(side.endpoint, "-")}"], "postgresql-k8s:database")
    ])
    error_message = "both databases come from the application that the variable names"
  }

  assert {
    condition     = contains(keys(output.requires), "nginx_route") && !contains(keys(output.requires), "admin")
    error_message = "what this module relates is nobody else's to relate"
  }
}

run "databases_of_another_model" {
  variables {
    database = { offer_url = "admin/databases.postgresql" }
  }

  assert {
    condition = alltrue([
      for relation in juju_integration.database :
      contains([for side in relation.application : side.offer_url], "admin/databases.postgresql")
    ])
    error_message = "both databases come from the offer"
  }
}

run "workers_and_an_offer" {
  variables {
    offer_temporal_host_info = true
    server                   = { app_name = "cluster", channel = "1.32/stable", config = { num-history-shards = 4 } }
    workers = {
      orders = { config = { queue = "orders" } }
      stock  = { config = { queue = "stock" }, units = 2 }
    }
  }

  assert {
    condition     = output.components.server.application.name == "cluster" && output.components.server.application.charm[0].channel == "1.32/stable"
    error_message = "a charm's own channel wins over the one for all"
  }

  assert {
    condition     = output.components.workers["stock"].application.units == 2 && output.components.workers["orders"].application.units == 1
    error_message = "each worker has its own number of units"
  }

  assert {
    condition     = toset(keys(juju_integration.worker)) == toset(["orders", "stock"])
    error_message = "each worker is related to the server"
  }

  assert {
    condition     = toset(keys(output.offers)) == toset(["temporal_host_info"])
    error_message = "the offer's URL is told"
  }
}

run "two_sources_of_databases" {
  command = plan

  variables {
    database = { application = "postgresql-k8s", offer_url = "admin/databases.postgresql" }
  }

  expect_failures = [var.database]
}

run "a_worker_without_a_queue" {
  command = plan

  variables {
    workers = { orders = { config = {} } }
  }

  expect_failures = [var.workers]
}
