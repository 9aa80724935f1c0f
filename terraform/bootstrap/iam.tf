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

# `init` begins in the workspace `default`: it reads that state, and the first to do so writes an empty one.
resource "google_storage_bucket_iam_member" "default_state" {
  for_each = setsubtract(toset([for it in local.stack_admins : it.member]), var.admins)

  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = each.key
  condition {
    title       = "namesake-state-default"
    description = "What `init` reads or makes before a workspace is selected: an empty state."
    expression  = "resource.name.startsWith(\"${local.objects}/default.\")"
  }
}
