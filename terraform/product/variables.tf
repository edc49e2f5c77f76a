variable "admin" {
  description = "The admin charm, as its module takes it"
  type = object({
    app_name    = optional(string)
    base        = optional(string)
    channel     = optional(string)
    constraints = optional(string)
    resources   = optional(map(string))
    revision    = optional(number)
    units       = optional(number)
  })
  default  = {}
  nullable = false
}

variable "channel" {
  description = "Channel of Charmhub for every charm that names none of its own"
  type        = string
}

variable "database" {
  description = "Who provides both databases over postgresql_client: an application of the model, or an offer"
  type = object({
    application = optional(string)
    endpoint    = optional(string, "database")
    offer_url   = optional(string)
  })
  nullable = false

  validation {
    condition     = (var.database.application == null) != (var.database.offer_url == null)
    error_message = "database: name either application or offer_url."
  }
}

variable "model_uuid" {
  description = "UUID of the model to deploy into"
  type        = string
}

variable "offer_temporal_host_info" {
  description = "Whether workers in other models may be related to the server"
  type        = bool
  default     = false
  nullable    = false
}

variable "server" {
  description = "The server charm, as its module takes it"
  type = object({
    app_name    = optional(string)
    base        = optional(string)
    channel     = optional(string)
    config      = optional(map(string))
    constraints = optional(string)
    resources   = optional(map(string))
    revision    = optional(number)
    units       = optional(number)
  })
  default  = {}
  nullable = false
}

variable "workers" {
  description = "Workers by the names of their applications, each as the worker charm's module takes it"
  type = map(object({
    base        = optional(string)
    channel     = optional(string)
    config      = map(string)
    constraints = optional(string)
    resources   = optional(map(string))
    revision    = optional(number)
    units       = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for worker in var.workers : trimspace(lookup(worker.config, "queue", "")) != ""])
    error_message = "workers: each needs a task queue; add queue to its config."
  }
}
