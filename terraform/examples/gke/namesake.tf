module "namesake" {
  source = "../../modules/namesake"

  names                  = local.names
  workload_pool          = terraform_data.workload_pool.output
  broker_uid             = var.namesake.broker_uid
  create_bucket          = local.own.bucket == null
  control_plane          = [var.ranges.control_plane]
  domain                 = var.domain
  admins                 = var.namesake.admins
  folder                 = var.namesake.folder
  new_identities_project = var.namesake.new_identities_project
  audit_logs             = var.namesake.audit_logs
  quotas                 = var.namesake.quotas
  allowed_roles          = var.namesake.allowed_roles
  bucket_grants          = var.namesake.bucket_grants
  project_grants         = var.namesake.project_grants
  direct_mode            = var.namesake.direct_mode
  pinned_accounts        = var.namesake.pinned_accounts
  opted_in               = var.namesake.opted_in
  components             = var.namesake.components
  gateway                = var.namesake.gateway
  manifests              = var.namesake.manifests
  registry               = var.namesake.registry
  tag                    = var.namesake.tag
}
