# What the names are, and which are refused. Needs no provider.
variables {
  stack      = "prod"
  org_prefix = "acme"
  project    = "acme-ml"
  region     = "us-central1"
  namespaces = ["research"]
}

run "the_workspace_names_everything" {
  command = plan
  assert {
    condition = alltrue([for name in [
      output.names.cluster, output.names.network, output.names.bucket, output.names.accounts.broker, output.names.accounts.services,
      output.names.accounts.nodes, output.names.identities_project, output.names.database_instance, output.names.repository,
      output.names.gateway_address, output.names.context, output.names.system_namespace, output.names.services_namespace,
    ] : endswith(name, "-prod")])
    error_message = "a name does not end with the stack: ${jsonencode(output.names)}"
  }
  assert {
    condition     = output.names.roles.identities == "namesakeBroker_prod" && output.names.kubeconfig_file == "kubeconfig-prod.yaml"
    error_message = "a role or a file does not carry the stack"
  }
  assert {
    condition     = output.names.cluster_path == "projects/acme-ml/locations/us-central1/clusters/metaflow-prod"
    error_message = "not the path that the rules need: ${output.names.cluster_path}"
  }
}

run "the_default_workspace_is_refused" {
  command = plan
  variables { stack = "default" }
  expect_failures = [var.stack]
}

run "an_illegal_workspace_is_refused" {
  command = plan
  variables { stack = "Prod_1" }
  expect_failures = [var.stack]
}

# A double hyphen separates the generation.
run "a_workspace_with_a_double_hyphen_is_refused" {
  command = plan
  variables { stack = "prod--2" }
  expect_failures = [var.stack]
}

# 14 characters and `namesake-broker-` are the 30 that a Google account may have.
run "the_longest_stack_fits" {
  command = plan
  variables { stack = "abcdefghijklmn" }
  assert {
    condition     = length(output.names.accounts.broker) == 30
    error_message = "not the longest possible name"
  }
}

run "a_stack_that_is_too_long_only_after_the_prefix_is_refused" {
  command = plan
  variables { stack = "abcdefghijklmno" }
  expect_failures = [output.names]
}

run "a_project_of_identities_that_is_too_long_is_refused" {
  command = plan
  variables { org_prefix = "acme-corporation" }
  expect_failures = [output.names]
}

run "the_clusters_own_project_is_refused_for_identities" {
  command = plan
  variables { identities_project = "acme-ml" }
  expect_failures = [output.names]
}

run "google_in_the_name_of_a_bucket_is_refused" {
  command = plan
  variables { org_prefix = "googly" }
  expect_failures = [var.org_prefix]
}

run "a_project_number_is_refused" {
  command = plan
  variables { project = "123456789012" }
  expect_failures = [var.project]
}

run "a_later_generation_has_other_roles_and_another_database" {
  command = plan
  variables { generation = 2 }
  assert {
    condition = (output.names.roles.identities == "namesakeBroker_prod.2" && output.names.database_instance == "metaflow-prod--2"
    && output.names.bucket == "acme-metaflow-prod")
    error_message = "not the names of generation 2"
  }
}

run "a_generation_is_a_whole_number" {
  command = plan
  variables { generation = 1.5 }
  expect_failures = [var.generation]
}
