variable "app_name" {
  description = "Name of the application"
  type        = string
  default     = "temporal-k8s"
  nullable    = false
}

variable "base" {
  description = "Base on which to deploy, like ubuntu@24.04; null for the one that the channel has"
  type        = string
  nullable    = true
  default     = null
}

variable "channel" {
  description = "Channel of Charmhub to which the charm was released, like latest/edge"
  type        = string
}

variable "config" {
  description = "Options of the charm, by their names"
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "constraints" {
  # An empty text fails: https://github.com/juju/terraform-provider-juju/issues/344
  description = "Constraints on the pods; may not be empty. A change destroys the application and deploys it anew"
  type        = string
  default     = "arch=amd64"
  nullable    = false

  validation {
    condition     = trimspace(var.constraints) != ""
    error_message = "constraints may not be empty: name at least the architecture, as arch=amd64."
  }
}

variable "model_uuid" {
  description = "UUID of the model to deploy into"
  type        = string
}

variable "resources" {
  description = "Resources by their names: an image, or the number of a revision on Charmhub"
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "revision" {
  description = "Revision of the charm; null for the newest that the channel has when the application is deployed, or the channel changed. To upgrade within a channel, name one"
  type        = number
  nullable    = true
  default     = null
}

variable "units" {
  description = "How many units"
  type        = number
  default     = 1
  nullable    = false
}
