# Who reads and writes which state. Rights only by _iam_member: what others gave on the bucket stays.

locals {
  objects = "projects/_/buckets/${local.bucket}/objects/${local.prefix}"
  # stack and member => both
  stack_admins = merge([
    for stack, it in var.stacks : { for member in it.admins : "${stack} ${member}" => { stack = stack, member = member } }
  ]...)
}

resource "google_storage_bucket_iam_member" "admins" {
  for_each = var.admins

  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = each.key
}

# STACK.tfstate and STACK.tflock: the dot keeps `prod` away from `prod-eu`. Listing is of the names of all stacks, not of their contents.
resource "google_storage_bucket_iam_member" "stack_admins" {
  for_each = local.stack_admins

  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = each.value.member
  condition {
    title       = "namesake-state-${each.value.stack}"
    description = "The state of stack ${each.value.stack} and its lock."
    expression = join(" || ", [
      "resource.name.startsWith(\"${local.objects}/${each.value.stack}.\")",
      "api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith(\"${local.prefix}/\")",
    ])
  }
}

# `init` begins in the workspace `default`, reads its state, and installs the providers that the state names. So nobody but the admins of
# all stacks changes this one, in which there is nothing. If it was deleted, the first `init` writes an empty one again: with a lock, and
# without the right to replace it.
resource "google_storage_bucket_object" "default_state" {
  bucket = google_storage_bucket.state.name
  name   = "${local.prefix}/default.tfstate"
  content = jsonencode({
    version           = 4
    terraform_version = "1.9.0"
    serial            = 1
    lineage           = uuidv5("url", "gs://${local.bucket}/${local.prefix}")
    outputs           = {}
    resources         = []
  })
}

locals {
  on_default_state = {
    read   = { role = "roles/storage.objectViewer", object = "default.tfstate" }
    create = { role = "roles/storage.objectCreator", object = "default.tfstate" }
    lock   = { role = "roles/storage.objectUser", object = "default.tflock" }
  }
  default_rights = merge([
    for member in setsubtract(toset([for it in local.stack_admins : it.member]), var.admins) :
    { for right, it in local.on_default_state : "${right} ${member}" => merge(it, { member = member }) }
  ]...)
}

resource "google_storage_bucket_iam_member" "default_state" {
  for_each = local.default_rights

  bucket = google_storage_bucket.state.name
  role   = each.value.role
  member = each.value.member
  condition {
    title       = "namesake-state-default"
    description = "What `init` reads before a workspace is selected."
    expression  = "resource.name == \"${local.objects}/${each.value.object}\""
  }
}
