locals {
  backend = <<-EOT
    bucket = "${local.bucket}"
    prefix = "${local.prefix}"
  EOT
}

output "backend" {
  description = "backend.hcl: the same for all stacks, because the workspace selects the state. `tofu output -raw backend > ../examples/gke/backend.hcl`"
  value       = local.backend
}

output "backend_hcl" {
  description = "The same by stack, with how to use it."
  value = {
    for stack in keys(var.stacks) :
    stack => "# tofu init -backend-config=backend.hcl && tofu workspace select -or-create ${stack}\n${local.backend}"
  }
}

output "own_backend" {
  description = "backend.tf of this folder, to move its own state into the bucket: `tofu output -raw own_backend > backend.tf && tofu init -migrate-state`"
  value       = <<-EOT
    terraform {
      backend "gcs" {
        bucket = "${local.bucket}"
        prefix = "bootstrap"
      }
    }
  EOT
}

output "stacks_tfvars" {
  description = "What every stack has to know of the others: `tofu output -raw stacks_tfvars > ../examples/gke/stacks.auto.tfvars.json`"
  value = jsonencode({
    org_prefix   = var.org_prefix
    stacks       = var.stacks
    stock_stacks = var.stock_stacks
  })

  # Everybody who runs flows may write into a stack's bucket, and the shared account of a stock stack into all that begin as its own.
  precondition {
    condition     = !contains([for it in module.names : it.names.bucket], local.bucket)
    error_message = "bucket: ${local.bucket} would hold both the states and the flows of a stack: choose another bucket for the states, or another name for the stack."
  }
  precondition {
    condition     = alltrue([for workspace, it in var.stock_stacks : !startswith(local.bucket, "storage-${it.org_prefix}-metaflow-${workspace}")])
    error_message = "bucket: ${local.bucket} begins like the bucket of a stock stack, whose shared account could write the states: choose another bucket."
  }
}

output "names" {
  description = "Every name of every stack."
  value       = { for stack, it in module.names : stack => it.names }
}
