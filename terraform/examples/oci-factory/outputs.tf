output "application" {
  description = "The worker, as the provider describes it"
  value       = module.worker.application
}

output "attach" {
  description = "What remains to be typed: the provider attaches no files"
  value       = "juju attach-resource --model ${local.model_uuid} ${var.juju_application_name} workflows-file=${var.config_temporal_workflows_file_path}"
}
