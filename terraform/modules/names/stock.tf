# Outerbounds' templates name everything after their own workspace, except namespaces (`default`, `argo`, `airflow`) and the account
# default/ksa-metaflow. A stack beside them must not get any of it: what they own by name or by the beginning of a name.

locals {
  stock_namespaces = ["default", "argo", "airflow"]
  stock_clusters   = [for workspace in keys(var.stock_stacks) : "gke-metaflow-${workspace}"]

  # Their accounts have rights on every bucket whose name begins so.
  stock_buckets = { for workspace, stock in var.stock_stacks : "storage-${stock.org_prefix}-metaflow-${workspace}" => workspace }
  stock_bucket = [
    for beginning, workspace in local.stock_buckets :
    "bucket ${local.names.bucket} begins with ${beginning}: the shared account gsa-metaflow-${workspace} of the stock stack could read and write all of it: choose another org_prefix or bucket"
    if startswith(local.names.bucket, beginning) && (var.bucket == null || var.bucket != beginning)
  ]

  # In another cluster than their own, pods in these namespaces would act as their account.
  stock_namespace = [
    for name in sort(tolist(setintersection(var.kept_namespaces, local.stock_namespaces))) :
    "kept_namespaces: ${name} is a namespace of the stock stack ${join(", ", keys(var.stock_stacks))}, and ${local.cluster} is not its cluster: pods there would act as its shared account: remove ${name} from the list, or install into ${join(" or ", local.stock_clusters)}"
    if length(var.stock_stacks) > 0 && !contains(local.stock_clusters, local.cluster)
  ]

  # The stock stack in whose cluster a workspace of the same name installs keeps its names; nothing else may have them.
  stock_cluster = [
    for workspace in keys(var.stock_stacks) :
    "stack: ${var.stack} is also the workspace of a stock stack in project ${var.project}: people could not tell METAFLOW_PROFILE, contexts and accounts of the two apart: choose another name for the stack"
    if workspace == var.stack && local.cluster != "gke-metaflow-${workspace}"
  ]
  disturbed = concat(local.stock_bucket, local.stock_namespace, local.stock_cluster)
}
