# Run with TF_WORKSPACE=prod: names come from the workspace.
mock_provider "google" {
  mock_data "google_storage_bucket" {
    defaults = { uniform_bucket_level_access = true }
  }
}

variables {
  org_prefix = "acme"
  stacks = {
    prod = { project = "acme-ml", region = "us-central1", namespaces = ["research", "try"] }
    test = { project = "acme-ml", region = "us-central1" }
  }
  stack  = "prod"
  domain = "acme.com"
  users  = ["group:ds@acme.com"]
  namesake = {
    quotas  = { accounts = 250 }
    admins  = ["root@acme.com"]
    gateway = { ui_host = "metaflow.acme.com", api_host = "metadata.acme.com", web_client_id = "1234-web.apps.googleusercontent.com" }
  }
}

run "everything_carries_the_workspace" {
  command = plan
  assert {
    condition = alltrue([for name in [
      google_container_cluster.stack.name, google_container_node_pool.stack.name, google_compute_network.stack.name,
      google_compute_subnetwork.nodes.name, google_compute_router.stack.name, google_compute_router_nat.stack.name,
      google_compute_global_address.services.name, google_compute_global_address.gateway[0].name,
      google_sql_database_instance.metadata.name, google_service_account.services.account_id, google_service_account.nodes.account_id,
      google_artifact_registry_repository.images.repository_id,
    ] : endswith(name, "-prod")])
    error_message = "a name does not carry the stack"
  }
}

run "the_cluster_is_private_and_gives_pods_their_own_identity" {
  command = plan
  assert {
    condition = (google_container_cluster.stack.workload_identity_config[0].workload_pool == "acme-ml.svc.id.goog"
      && google_container_cluster.stack.datapath_provider == "ADVANCED_DATAPATH"
      && google_container_cluster.stack.private_cluster_config[0].enable_private_nodes
      && !google_container_cluster.stack.master_auth[0].client_certificate_config[0].issue_client_certificate
    && google_container_node_pool.stack.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA")
    error_message = "the cluster is not as Namesake needs it"
  }
}

run "no_password_is_in_the_state" {
  command = plan
  assert {
    condition = (google_sql_user.services.type == "CLOUD_IAM_SERVICE_ACCOUNT" && google_sql_user.services.password == null
      && google_sql_user.services.name == "metaflow-svc-prod@acme-ml.iam"
      && !google_sql_database_instance.metadata.settings[0].ip_configuration[0].ipv4_enabled
    && google_sql_database_instance.metadata.settings[0].connector_enforcement == "REQUIRED")
    error_message = "the database is not as private as it should be"
  }
}

run "what_would_lose_data_is_protected" {
  command = plan
  assert {
    condition     = google_container_cluster.stack.deletion_protection && google_sql_database_instance.metadata.deletion_protection && google_sql_database_instance.metadata.settings[0].deletion_protection_enabled
    error_message = "cluster or database can be deleted"
  }
}

run "people_get_no_right_to_all_namespaces" {
  command = plan
  assert {
    condition     = alltrue([for it in google_project_iam_member.users : it.role == "roles/container.clusterViewer"])
    error_message = "more than to find the cluster"
  }
  assert {
    condition     = google_storage_bucket_iam_member.users["group:ds@acme.com"].condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/acme-metaflow-prod/objects/metaflow/\") || api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith(\"metaflow/\")"
    error_message = "not Metaflow's folder only: ${google_storage_bucket_iam_member.users["group:ds@acme.com"].condition[0].expression}"
  }
}

run "the_files_of_people_carry_the_stack" {
  command = plan
  assert {
    condition     = output.names.context == "metaflow-prod" && jsondecode(output.metaflow_config).METAFLOW_SERVICE_URL == "https://metadata.acme.com" && jsondecode(output.metaflow_config).METAFLOW_KUBERNETES_NAMESPACE == "research-prod"
    error_message = "not this: ${output.metaflow_config}"
  }
}

run "people_log_in_with_the_first_client_of_programs" {
  command = plan
  variables {
    namesake = { gateway = { ui_host = "metaflow.acme.com", api_host = "metadata.acme.com", web_client_id = "1", program_client_ids = ["2", "3"] } }
  }
  assert {
    condition     = jsondecode(output.metaflow_config).METAFLOW_NAMESAKE_CLIENT_ID == "2" && !strcontains(output.metaflow_config, "SECRET")
    error_message = output.metaflow_config
  }
}

run "a_regional_gateway_has_a_regional_address" {
  command = plan
  variables {
    namesake = { gateway = { ui_host = "metaflow.acme.com", api_host = "metadata.acme.com", web_client_id = "1", regional = true } }
  }
  assert {
    condition     = length(google_compute_address.gateway) == 1 && length(google_compute_subnetwork.proxy) == 1 && length(google_compute_global_address.gateway) == 0
    error_message = "not a regional address with its subnet"
  }
}

run "an_existing_bucket_is_not_made" {
  command = plan
  variables {
    stacks = { prod = { project = "acme-ml", region = "us-central1", bucket = "acme-mf" } }
  }
  assert {
    condition     = output.names.bucket == "acme-mf" && strcontains(output.metaflow, "gs://acme-mf/metaflow")
    error_message = "not the bucket that was given"
  }
}
