# Namesake into a cluster and bucket that exist, such as those of a stock stack: nothing of theirs is changed, and nothing is made but
# the identities project's side and rights of the broker.

locals {
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
  cluster            = local.own.cluster
  bucket             = local.own.bucket
  generation         = local.own.generation
  other_stacks       = var.stacks
  stock_stacks       = { for workspace, it in var.stock_stacks : workspace => { org_prefix = it.org_prefix } if it.project == local.own.project }
}

# Remembers for which stack the state was made, as in ../gke.
resource "terraform_data" "stack" {
  input = "${local.own.project}/${terraform.workspace}"

  lifecycle {
    ignore_changes = [input]

    precondition {
      condition     = contains(keys(var.stacks), terraform.workspace)
      error_message = "workspace: ${terraform.workspace} is none of the stacks of stacks.auto.tfvars.json (${join(", ", keys(var.stacks))}): select one of them, or add the stack in bootstrap, apply there, and write the file again."
    }
    precondition {
      condition     = var.stack == terraform.workspace
      error_message = "stack: the values are for stack ${var.stack}, and the workspace is ${terraform.workspace}: `tofu workspace select ${var.stack}`, or -var-file=${terraform.workspace}.tfvars."
    }
    precondition {
      condition     = local.own.cluster != null && local.own.bucket != null
      error_message = "cluster, bucket: stack ${terraform.workspace} does not name both in bootstrap's `stacks`: write the names of those that exist, or use examples/gke, which makes them."
    }
    postcondition {
      condition     = self.output == "${local.own.project}/${terraform.workspace}"
      error_message = "This state was made for ${self.output} (project/stack), and not for ${local.own.project}/${terraform.workspace}: a state was copied or restored to the wrong place. Restore the right version (docs/stacks.md), and apply nothing before."
    }
  }
}

# A cluster that does not exist, or not for this admin, fails in the plan.
data "google_container_cluster" "existing" {
  project  = module.names.names.project
  name     = module.names.names.cluster
  location = module.names.location

  lifecycle {
    postcondition {
      condition     = try(self.workload_identity_config[0].workload_pool, "") == module.names.names.workload_pool
      error_message = "cluster: ${module.names.names.cluster} has no Workload Identity Federation: `gcloud container clusters update ${module.names.names.cluster} --location=${module.names.location} --workload-pool=${module.names.names.workload_pool}`, then the node pools (--workload-metadata=GKE_METADATA), which makes their nodes again."
    }
    postcondition {
      condition     = try(self.datapath_provider, "") == "ADVANCED_DATAPATH" || try(self.network_policy[0].enabled, false)
      error_message = "cluster: ${module.names.names.cluster} does not enforce network policies, so pods could reach the broker and the webhook: `gcloud container clusters update ${module.names.names.cluster} --location=${module.names.location} --update-addons=NetworkPolicy=ENABLED`, then --enable-network-policy."
    }
  }
}

locals {
  # What the cluster says, unless it is given.
  private       = try(data.google_container_cluster.existing.private_cluster_config[0], null)
  said          = compact([try(local.private.master_ipv4_cidr_block, ""), try("${local.private.private_endpoint}/32", "")])
  control_plane = length(var.control_plane) > 0 ? var.control_plane : toset([for cidr in local.said : cidr if can(cidrnetmask(cidr))])
}

module "namesake" {
  source = "../../modules/namesake"

  names                  = module.names.names
  create_bucket          = false
  control_plane          = local.control_plane
  workload_pool          = data.google_container_cluster.existing.workload_identity_config[0].workload_pool
  domain                 = var.domain
  opted_in               = var.opted_in
  folder                 = var.namesake.folder
  new_identities_project = var.namesake.new_identities_project
  audit_logs             = var.namesake.audit_logs
  quotas                 = var.namesake.quotas
  allowed_roles          = var.namesake.allowed_roles
  bucket_grants          = var.namesake.bucket_grants
  project_grants         = var.namesake.project_grants
  direct_mode            = var.namesake.direct_mode
  pinned_accounts        = var.namesake.pinned_accounts
  components             = var.namesake.components
  registry               = var.namesake.registry
  tag                    = var.namesake.tag
}
