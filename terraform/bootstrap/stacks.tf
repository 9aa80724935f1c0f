# Checks the names of all stacks together, before any of them is made.
module "names" {
  for_each = var.stacks
  source   = "../modules/names"

  stack              = each.key
  org_prefix         = var.org_prefix
  project            = each.value.project
  identities_project = each.value.identities_project
  region             = each.value.region
  zone               = each.value.zone
  namespaces         = each.value.namespaces
  kept_namespaces    = each.value.kept
  cluster            = each.value.cluster
  bucket             = each.value.bucket
  generation         = each.value.generation
  other_stacks       = var.stacks
  stock_stacks       = { for workspace, it in var.stock_stacks : workspace => { org_prefix = it.org_prefix } if it.project == each.value.project }
}
