# What the plan refuses before anything is made.
mock_provider "google" {}

variables {
  names = {
    stack              = "prod"
    project            = "acme-ml"
    identities_project = "acme-identities-prod"
    region             = "us-central1"
    location           = "us-central1"
    cluster            = "metaflow-prod"
    cluster_path       = "projects/acme-ml/locations/us-central1/clusters/metaflow-prod"
    workload_pool      = "acme-ml.svc.id.goog"
    bucket             = "acme-metaflow-prod"
    repository         = "namesake-prod"
    gateway_address    = "metaflow-gateway-prod"
    accounts           = { broker = "namesake-broker-prod" }
    emails             = { broker = "namesake-broker-prod@acme-identities-prod.iam.gserviceaccount.com" }
    roles = {
      identities      = "namesakeBroker_prod"
      folders         = "namesakeFolders_prod"
      buckets         = "namesakeBuckets_prod"
      projects        = "namesakeProjects_prod"
      cluster_project = "namesakeCluster_prod"
      pinned_accounts = "namesakePinned_prod"
    }
    system_namespace   = "namesake-system-prod"
    services_namespace = "metaflow-prod"
    user_namespaces    = ["research-prod", "try-prod"]
    kept_namespaces    = []
  }
  domain        = "acme.com"
  control_plane = ["172.16.0.0/28"]
}

run "a_role_that_lets_people_act_as_others_is_refused" {
  command = plan
  variables { project_grants = { acme-bq = ["roles/bigquery.user", "roles/iam.serviceAccountTokenCreator"] } }
  expect_failures = [var.project_grants]
}

run "a_pattern_is_no_role" {
  command = plan
  variables { project_grants = { acme-bq = ["roles/bigquery.*"] } }
  expect_failures = [var.project_grants]
}

run "a_project_without_roles_is_refused" {
  command = plan
  variables { project_grants = { acme-bq = [] } }
  expect_failures = [var.project_grants]
}

run "a_list_that_the_condition_cannot_hold_is_refused" {
  command = plan
  variables { project_grants = { acme-bq = [for i in range(11) : "roles/bigquery.r${i}"] } }
  expect_failures = [var.project_grants]
}

run "googles_own_accounts_cannot_be_pinned" {
  command = plan
  variables { pinned_accounts = ["1234-compute@developer.gserviceaccount.com"] }
  expect_failures = [var.pinned_accounts]
}

run "a_pool_of_another_kind_is_refused" {
  command = plan
  variables { workload_pool = "my-pool" }
  expect_failures = [var.workload_pool]
}

run "a_project_needs_one_parent" {
  command = plan
  variables { new_identities_project = { billing_account = "0123AB-4567CD-89EF01", folder_id = "1", org_id = "2" } }
  expect_failures = [var.new_identities_project]
}

run "a_billing_account_has_its_form" {
  command = plan
  variables { new_identities_project = { billing_account = "acme", folder_id = "1" } }
  expect_failures = [var.new_identities_project]
}

run "a_control_plane_open_to_all_is_refused" {
  command = plan
  variables { control_plane = ["0.0.0.0/0"] }
  expect_failures = [var.control_plane]
}

run "half_an_account_is_no_quota" {
  command = plan
  variables { quotas = { accounts = 0.5 } }
  expect_failures = [var.quotas]
}

run "a_folder_begins_without_a_slash" {
  command = plan
  variables { folder = "/metaflow" }
  expect_failures = [var.folder]
}

run "everything_is_no_allowed_role" {
  command = plan
  variables { allowed_roles = ["*"] }
  expect_failures = [var.allowed_roles]
}

run "a_name_is_no_uid" {
  command = plan
  variables { broker_uid = "namesake-broker" }
  expect_failures = [var.broker_uid]
}

run "a_bucket_without_uniform_access_is_refused" {
  command = plan
  variables { create_bucket = false }
  override_data {
    target = data.google_storage_bucket.given
    values = { uniform_bucket_level_access = false }
  }
  expect_failures = [data.google_storage_bucket.given]
}
