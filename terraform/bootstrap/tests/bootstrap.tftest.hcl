mock_provider "google" {}

variables {
  project    = "acme-admin"
  org_prefix = "acme"
  location   = "EU"
  admins     = ["group:platform@acme.com"]
  stacks = {
    prod = { project = "acme-ml", region = "us-central1", admins = ["group:ml@acme.com"] }
    test = { project = "acme-ml", region = "us-central1", zone = "us-central1-a" }
  }
}

run "the_bucket_keeps_what_was_and_nobody_else_reads_it" {
  command = plan
  assert {
    condition = (google_storage_bucket.state.versioning[0].enabled && google_storage_bucket.state.uniform_bucket_level_access
      && google_storage_bucket.state.public_access_prevention == "enforced" && !google_storage_bucket.state.force_destroy
    && google_storage_bucket.state.soft_delete_policy[0].retention_duration_seconds == 30 * 24 * 60 * 60)
    error_message = "the bucket is not protected"
  }
  assert {
    condition     = length(google_storage_bucket.state.encryption) == 0 && length(google_kms_crypto_key_iam_member.storage) == 0
    error_message = "a key although none was given"
  }
}

run "all_stacks_have_the_same_backend" {
  command = plan
  assert {
    condition     = output.backend == "bucket = \"acme-metaflow-tfstate\"\nprefix = \"stacks\"\n"
    error_message = "not this: ${output.backend}"
  }
  assert {
    condition     = toset(keys(output.backend_hcl)) == toset(["prod", "test"]) && strcontains(output.backend_hcl.prod, "workspace select -or-create prod\nbucket = \"acme-metaflow-tfstate\"\nprefix = \"stacks\"\n")
    error_message = "not this: ${output.backend_hcl.prod}"
  }
}

# `prod.` is the beginning of prod.tfstate and prod.tflock, and not of prod-eu.tfstate.
run "admins_of_one_stack_reach_its_state_and_its_lock_only" {
  command = plan
  assert {
    condition     = google_storage_bucket_iam_member.stack_admins["prod group:ml@acme.com"].condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/acme-metaflow-tfstate/objects/stacks/prod.\") || api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith(\"stacks/\")"
    error_message = "not this: ${google_storage_bucket_iam_member.stack_admins["prod group:ml@acme.com"].condition[0].expression}"
  }
  assert {
    condition     = length(google_storage_bucket_iam_member.stack_admins) == 1 && length(google_storage_bucket_iam_member.default_state) == 3
    error_message = "more than the admins of prod"
  }
}

run "a_key_is_usable_by_the_agent_of_storage" {
  command = plan
  variables { kms_key = "projects/acme-admin/locations/europe/keyRings/r/cryptoKeys/k" }
  assert {
    condition     = google_storage_bucket.state.encryption[0].default_kms_key_name == var.kms_key && length(google_kms_crypto_key_iam_member.storage) == 1
    error_message = "the bucket does not use the key"
  }
}

run "the_stacks_know_each_other" {
  command = plan
  assert {
    condition     = jsondecode(output.stacks_tfvars).stacks.test.zone == "us-central1-a" && output.names.test.bucket == "acme-metaflow-test"
    error_message = "not the stacks: ${output.stacks_tfvars}"
  }
}

run "the_state_of_no_stack_exists_and_is_empty" {
  command = plan
  assert {
    condition = alltrue([
      for it in google_storage_bucket_iam_member.default_state :
      it.role != "roles/storage.objectUser" || endswith(it.condition[0].expression, "/stacks/default.tflock\"")
    ])
    error_message = "admins of one stack may replace it"
  }
  assert {
    condition     = google_storage_bucket_object.default_state.name == "stacks/default.tfstate" && jsondecode(google_storage_bucket_object.default_state.content).resources == []
    error_message = "init would have to write it"
  }
}
