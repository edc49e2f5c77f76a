variable "config_candid_private_key" {
  description = "Private key of the Candid agent"
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "config_candid_public_key" {
  description = "Public key of the Candid agent, as it was registered"
  type        = string
}

variable "config_candid_url" {
  description = "Where the agent gets its macaroon"
  type        = string
  default     = "https://temporal.staging.canonical.com/http/macaroon"
}

variable "config_candid_username" {
  description = "Name of the Candid agent, as it was registered"
  type        = string
}

variable "config_consume" {
  description = "Which topics are consumed in which groups, as TOPIC@GROUP, separated by commas"
  type        = string
}

variable "config_schedules" {
  description = "Workflows to be started again and again, as the charm's option schedules takes them"
  type        = any
  default = {
    oci-factory-rebuild = {
      workflow  = "RebuildForRelease"
      arguments = ["*", "*"]
      every     = "2d"
      offset    = "2h"
    }
  }
}

variable "config_temporal_certificate" {
  description = "PEM of the authority of the server's certificate; empty for those that the image trusts"
  type        = string
  default     = ""
}

variable "config_temporal_host" {
  description = "The Temporal server, as HOST or HOST:PORT; without a port it is 443"
  type        = string
  default     = "temporal.staging.canonical.com"
}

variable "config_temporal_namespace" {
  description = "Temporal's namespace"
  type        = string
  default     = "rocks"
}

variable "config_temporal_proxy" {
  description = "Proxy for HTTP and HTTPS; empty for none. Temporal and Kafka are reached without it"
  type        = string
  default     = ""
}

variable "config_temporal_queue" {
  description = "Task queue: mostly oci-factory, or tests.oci-factory"
  type        = string
}

variable "config_temporal_workflows_file_path" {
  description = "The archive of wheels that is attached after apply"
  type        = string
  default     = "../../../dist/oci-factory.tar"

  validation {
    condition     = endswith(var.config_temporal_workflows_file_path, ".tar")
    error_message = "config_temporal_workflows_file_path: Juju takes a file that ends in .tar; a wheel may be renamed."
  }
}

variable "env_eventbus_consumer_password" {
  description = "Password of the Kafka consumer"
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "env_eventbus_consumer_username" {
  description = "Username of the Kafka consumer"
  type        = string
}

variable "env_secrets" {
  description = "Further variables of the code that nobody may see: GITHUB_TOKEN, OS_PASSWORD, MATTERMOST_TOKEN, ..."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true
}

variable "env_settings" {
  description = "Further variables of the code; they win over the example's own"
  type        = map(string)
  default     = {}
}

variable "juju_application_channel" {
  description = "Channel of Charmhub to which the worker charm of this repository was released"
  type        = string
}

variable "juju_application_name" {
  description = "Name of the application"
  type        = string
  default     = "temporal-worker-k8s"
}

variable "juju_cloud_name" {
  description = "The cloud on which a model is made, if model_owner is empty"
  type        = string
  default     = "microk8s-rocks-ps6"
}

variable "model_owner" {
  description = "Owner of the model; empty for a model that is made here"
  type        = string
  default     = "admin"
}

variable "oci-factory-model" {
  description = "Name of the model"
  type        = string
  default     = "microk8s-rocks-ps6-model"
}

variable "secrets_version" {
  description = "A number to raise when secrets or env_settings have changed: what they were is not kept anywhere"
  type        = number
  default     = 1
}

variable "units" {
  description = "How many workers"
  type        = number
  default     = 2
}

variable "worker_image" {
  description = "The worker's image; null for the one that the channel has"
  type        = string
  default     = null
}
