# What is made at Google.
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

run "the_broker_is_the_account_of_this_stacks_namespace_only" {
  command = plan
  assert {
    condition     = google_service_account_iam_member.broker.member == "serviceAccount:acme-ml.svc.id.goog[namesake-system-prod/namesake-broker]" && google_service_account_iam_member.broker.role == "roles/iam.workloadIdentityUser"
    error_message = "not this stack's broker: ${google_service_account_iam_member.broker.member}"
  }
}

run "a_uid_excludes_accounts_of_the_same_name_in_other_clusters" {
  command = plan
  variables { broker_uid = "0b1c2d3e-0000-4000-8000-123456789abc" }
  override_data {
    target = data.google_project.cluster
    values = { number = "1234" }
  }
  assert {
    condition     = google_service_account_iam_member.broker.member == "principal://iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/acme-ml.svc.id.goog/kubernetes.serviceaccount.uid/0b1c2d3e-0000-4000-8000-123456789abc"
    error_message = "not this: ${google_service_account_iam_member.broker.member}"
  }
}

run "the_broker_has_exactly_the_permissions_of_the_file" {
  command = plan
  assert {
    condition = (google_project_iam_custom_role.identities.permissions == toset(jsondecode(file("./permissions.json")).identities)
    && google_project_iam_custom_role.folders.permissions == toset(jsondecode(file("./permissions.json")).folders))
    error_message = "not the permissions of permissions.json"
  }
}

run "what_no_class_needs_is_not_given" {
  command = plan
  assert {
    condition = (length(google_project_iam_custom_role.buckets) + length(google_project_iam_custom_role.projects)
    + length(google_project_iam_custom_role.cluster_project) + length(google_project_iam_custom_role.pinned_accounts)) == 0
    error_message = "a role that nobody asked for"
  }
}

run "grants_on_projects_are_limited_to_the_listed_roles" {
  command = plan
  variables { project_grants = { acme-bq = ["roles/bigquery.user", "roles/bigquery.jobUser"] } }
  assert {
    condition     = google_project_iam_member.projects["acme-bq"].condition[0].expression == "api.getAttribute(\"iam.googleapis.com/modifiedGrantsByRole\", []).hasOnly([\"roles/bigquery.jobUser\", \"roles/bigquery.user\"])"
    error_message = "not this: ${google_project_iam_member.projects["acme-bq"].condition[0].expression}"
  }
  assert {
    condition     = google_project_iam_custom_role.projects["acme-bq"].project == "acme-bq"
    error_message = "the role is not in the project that it is for"
  }
}

run "grants_on_whole_buckets_are_on_those_buckets" {
  command = plan
  variables { bucket_grants = { acme-data = "acme-lake", acme-more = "acme-lake" } }
  assert {
    condition     = toset(keys(google_project_iam_custom_role.buckets)) == toset(["acme-lake"]) && toset(keys(google_storage_bucket_iam_member.buckets)) == toset(["acme-data", "acme-more"])
    error_message = "not one role, and two buckets"
  }
}

run "a_pinned_account_elsewhere_gives_rights_on_that_account_only" {
  command = plan
  variables { pinned_accounts = ["alice-etl@acme-data.iam.gserviceaccount.com", "bob-etl@acme-identities-prod.iam.gserviceaccount.com"] }
  assert {
    condition     = [for it in google_service_account_iam_member.pinned_accounts : it.service_account_id] == ["projects/acme-data/serviceAccounts/alice-etl@acme-data.iam.gserviceaccount.com"]
    error_message = "not on this account only"
  }
}

run "the_number_of_the_project_is_read_only_when_classes_need_it" {
  command = plan
  variables { direct_mode = true }
  assert {
    condition     = google_project_iam_custom_role.cluster_project[0].permissions == toset(["resourcemanager.projects.get"])
    error_message = "more than to read the number"
  }
}

run "data_access_is_audited_unless_switched_off" {
  command = plan
  assert {
    condition     = toset(keys(google_project_iam_audit_config.identities)) == toset(["iam.googleapis.com", "sts.googleapis.com"]) && length(google_project_iam_audit_config.identities["iam.googleapis.com"].audit_log_config) == 3
    error_message = "data access is not in the audit log"
  }
}

run "the_audit_can_be_switched_off" {
  command = plan
  variables { audit_logs = false }
  assert {
    condition     = length(google_project_iam_audit_config.identities) == 0
    error_message = "still audited"
  }
}

run "the_bucket_has_uniform_access_and_is_not_public" {
  command = plan
  assert {
    condition     = google_storage_bucket.flows[0].uniform_bucket_level_access && google_storage_bucket.flows[0].public_access_prevention == "enforced" && !google_storage_bucket.flows[0].force_destroy
    error_message = "the bucket is not protected"
  }
}

run "a_project_of_identities_is_made_without_a_network" {
  command = plan
  variables { new_identities_project = { billing_account = "0123AB-4567CD-89EF01", folder_id = "1234" } }
  assert {
    condition     = google_project.identities[0].project_id == "acme-identities-prod" && !google_project.identities[0].auto_create_network && google_project.identities[0].deletion_policy == "PREVENT"
    error_message = "not the project"
  }
}
