# Every name of a stack. The stack is always the last part, and each kind of object has prefixes of its own, so that the names of two
# stacks never meet: STACK has no double hyphen, which is what separates a generation.

locals {
  location = var.zone == null ? var.region : var.zone
  cluster  = var.cluster == null ? "metaflow-${var.stack}" : var.cluster
  # Ids of custom roles have no hyphens.
  role = "${replace(var.stack, "-", "_")}${var.generation == 1 ? "" : ".${var.generation}"}"

  accounts = {
    broker   = "namesake-broker-${var.stack}"
    services = "metaflow-svc-${var.stack}"
    nodes    = "metaflow-node-${var.stack}"
  }
  roles = {
    identities      = "namesakeBroker_${local.role}"
    folders         = "namesakeFolders_${local.role}"
    buckets         = "namesakeBuckets_${local.role}"
    projects        = "namesakeProjects_${local.role}"
    cluster_project = "namesakeCluster_${local.role}"
    pinned_accounts = "namesakePinned_${local.role}"
  }
  emails = {
    broker   = "${local.accounts.broker}@${local.identities_project}.iam.gserviceaccount.com"
    services = "${local.accounts.services}@${var.project}.iam.gserviceaccount.com"
    nodes    = "${local.accounts.nodes}@${var.project}.iam.gserviceaccount.com"
  }
  # coalesce also replaces an empty text.
  identities_project = coalesce(var.identities_project, "${var.org_prefix}-identities-${var.stack}")

  names = {
    stack              = var.stack
    project            = var.project
    identities_project = local.identities_project
    region             = var.region
    location           = local.location
    cluster            = local.cluster
    # As `cluster` of the rules.
    cluster_path  = "projects/${var.project}/locations/${local.location}/clusters/${local.cluster}"
    workload_pool = "${var.project}.svc.id.goog"

    network            = "metaflow-${var.stack}"
    nodes_subnet       = "metaflow-nodes-${var.stack}"
    proxy_subnet       = "metaflow-proxy-${var.stack}"
    router             = "metaflow-${var.stack}"
    node_pool          = "metaflow-${var.stack}"
    gateway_address    = "metaflow-gateway-${var.stack}"
    services_range     = "metaflow-services-${var.stack}"
    repository         = "namesake-${var.stack}"
    bucket             = coalesce(var.bucket, "${var.org_prefix}-metaflow-${var.stack}")
    database_instance  = "metaflow-${var.stack}${var.generation == 1 ? "" : "--${var.generation}"}"
    database           = "metaflow"
    database_user      = "${local.accounts.services}@${var.project}.iam"
    accounts           = local.accounts
    emails             = local.emails
    roles              = local.roles
    system_namespace   = local.system_namespace
    services_namespace = local.services_namespace
    services_account   = "metaflow-services-${var.stack}"
    user_namespaces    = sort(local.user_namespaces)
    kept_namespaces    = sort(var.kept_namespaces)
    context            = "metaflow-${var.stack}"
    kubeconfig_file    = "kubeconfig-${var.stack}.yaml"
    # Metaflow reads it with METAFLOW_PROFILE=STACK.
    metaflow_config_file = "config_${var.stack}.json"
  }
}
