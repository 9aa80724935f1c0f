# Which stack this is, and everything that must be true before anything is made.

locals {
  # A workspace that is not in the list gets names that are legal, so that the precondition below says what is wrong.
  unknown = { project = "unknown-project", region = "us-central1", zone = null, identities_project = null, namespaces = ["unknown"], kept = [], cluster = null, bucket = null, generation = 1 }
  own     = lookup(var.stacks, terraform.workspace, local.unknown)
}

module "names" {
  source = "../../modules/names"

  stack              = terraform.workspace
  org_prefix         = var.org_prefix
  project            = local.own.project
  identities_project = local.own.identities_project
  region             = local.own.region
  zone               = local.own.zone
  namespaces         = local.own.namespaces
  kept_namespaces    = local.own.kept
  bucket             = local.own.bucket
  generation         = local.own.generation
  other_stacks       = var.stacks
  stock_stacks       = { for workspace, it in var.stock_stacks : workspace => { org_prefix = it.org_prefix } if it.project == local.own.project }
}

locals {
  names = module.names.names
}

# Remembers for which stack the state was made, so that a copied or restored state of another stack is refused, not applied.
resource "terraform_data" "stack" {
  input = "${local.own.project}/${terraform.workspace}"

  lifecycle {
    ignore_changes = [input]

    precondition {
      condition     = contains(keys(var.stacks), terraform.workspace)
      error_message = "workspace: ${terraform.workspace} is none of the stacks of stacks.auto.tfvars.json (${join(", ", keys(var.stacks))}): select one of them (`tofu workspace select prod`), or add the stack in bootstrap, apply there, and write the file again."
    }
    precondition {
      condition     = var.stack == terraform.workspace
      error_message = "stack: the values are for stack ${var.stack}, and the workspace is ${terraform.workspace}: `tofu workspace select ${var.stack}`, or -var-file=${terraform.workspace}.tfvars."
    }
    precondition {
      condition     = try(local.own.cluster, null) == null
      error_message = "cluster: stack ${terraform.workspace} is to be installed into the existing cluster ${coalesce(try(local.own.cluster, null), "-")}, and this folder makes a cluster: use examples/existing."
    }
    postcondition {
      condition     = self.output == "${local.own.project}/${terraform.workspace}"
      error_message = "This state was made for ${self.output} (project/stack), and not for ${local.own.project}/${terraform.workspace}: a state was copied or restored to the wrong place. Restore the right version (docs/stacks.md), and apply nothing before."
    }
  }
}

# Never disabled again: others may use them.
resource "google_project_service" "apis" {
  for_each = toset([
    "artifactregistry.googleapis.com", "compute.googleapis.com", "container.googleapis.com",
    "servicenetworking.googleapis.com", "sqladmin.googleapis.com",
  ])

  project            = local.names.project
  service            = each.key
  disable_on_destroy = false

  depends_on = [terraform_data.stack]
}
