# What is rendered for the cluster.
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
    user_namespaces    = ["default", "research-prod"]
    kept_namespaces    = ["default"]
  }
  domain        = "acme.com"
  control_plane = ["172.16.0.0/28"]
}

run "the_overlay_names_what_terraform_made" {
  command = plan
  variables {
    quotas        = { accounts = 250 }
    allowed_roles = ["roles/storage.objectUser", "self:roles/iam.serviceAccountTokenCreator"]
  }
  assert {
    condition = alltrue([for text in [
      "iam.gke.io/gcp-service-account: namesake-broker-prod@acme-identities-prod.iam.gserviceaccount.com",
      "us-central1-docker.pkg.dev/acme-ml/namesake-prod/broker",
      "{name: NAMESAKE_ACCOUNTS_PER_PROJECT, value: \"250\"}",
      "{name: NAMESAKE_ALLOWED_ROLES, value: \"roles/storage.objectUser,self:roles/iam.serviceAccountTokenCreator\"}",
      "value: [{ipBlock: {cidr: 172.16.0.0/28}}]",
    ] : strcontains(output.overlay, text)])
    error_message = output.overlay
  }
  assert {
    condition     = can(yamldecode(output.overlay)) && can(yamldecode(output.rules)) && !strcontains(output.overlay, "gateway")
    error_message = "not YAML, or a gateway that nobody asked for"
  }
}

# The component stack/ reads this line.
run "the_rules_name_the_stack_in_a_line_of_its_own" {
  command = plan
  assert {
    condition     = strcontains(output.rules, "\nstack: prod\n") && yamldecode(output.rules).cluster == var.names.cluster_path && yamldecode(output.rules).identities[0].project == "acme-identities-prod"
    error_message = output.rules
  }
}

run "the_gateway_knows_its_hosts_and_services" {
  command = plan
  variables { gateway = { ui_host = "metaflow.acme.com", api_host = "metadata.acme.com", web_client_id = "1-w", program_client_ids = ["1-p"], regional = true } }
  assert {
    condition = alltrue([for text in [
      "http://metadata-service.metaflow-prod:8080", "gke-l7-regional-external-managed", "value: metaflow-gateway-prod", "audiences: [1-w, 1-p]",
    ] : strcontains(output.overlay, text)]) && can(yamldecode(output.overlay)) && yamldecode(output.rules).endpoints.mode == "shadow"
    error_message = output.overlay
  }
}

run "components_come_before_the_stack_and_doctor_has_its_image" {
  command = plan
  variables { components = ["metrics/gke", "metrics", "doctor"] }
  assert {
    condition     = yamldecode(output.overlay).components == ["../../doctor", "../../metrics", "../../metrics/gke", "../../stack", "../../stack-suffix"]
    error_message = output.overlay
  }
  assert {
    condition     = contains(yamldecode(output.overlay).images[*].newName, "us-central1-docker.pkg.dev/acme-ml/namesake-prod/cli")
    error_message = output.overlay
  }
}

run "a_component_of_another_name_is_refused" {
  command = plan
  variables { components = ["gateway"] }
  expect_failures = [var.components]
}

run "alerts_without_the_metrics_are_refused" {
  command = plan
  variables { components = ["metrics/gke"] }
  expect_failures = [var.components]
}

run "a_kept_namespace_gets_rights_first_and_the_label_when_it_is_listed" {
  command = plan
  assert {
    condition     = strcontains(output.namespaces, "\"namespace\": \"default\"") && !strcontains(output.namespaces, "\"name\": \"default\"") && strcontains(output.namespaces, "\"name\": \"research-prod\"")
    error_message = output.namespaces
  }
}

run "a_namespace_of_nobody_cannot_be_opted_in" {
  command = plan
  variables { opted_in = ["elsewhere"] }
  expect_failures = [output.namespaces]
}

run "a_domain_of_everybody_is_refused" {
  command = plan
  variables { domain = "gmail.com" }
  expect_failures = [var.domain]
}

run "a_tag_that_changes_is_refused" {
  command = plan
  variables { tag = "latest" }
  expect_failures = [var.tag]
}

run "a_url_is_no_host" {
  command = plan
  variables { gateway = { ui_host = "https://metaflow.acme.com", api_host = "metadata.acme.com", web_client_id = "1" } }
  expect_failures = [var.gateway]
}

run "one_host_cannot_be_both" {
  command = plan
  variables { gateway = { ui_host = "metaflow.acme.com", api_host = "metaflow.acme.com", web_client_id = "1" } }
  expect_failures = [var.gateway]
}

run "a_client_secret_in_the_wrong_place_is_refused" {
  command = plan
  variables { gateway = { ui_host = "metaflow.acme.com", api_host = "metadata.acme.com", web_client_id = "{\"client_secret\": 1}" } }
  expect_failures = [var.gateway]
}

run "an_admin_is_an_address" {
  command = plan
  variables { admins = ["*@acme.com"] }
  expect_failures = [var.admins]
}

run "an_image_is_no_registry" {
  command = plan
  variables { registry = "https://us-docker.pkg.dev/acme" }
  expect_failures = [var.registry]
}
