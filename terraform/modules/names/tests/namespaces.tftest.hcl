# Two stacks of one project never have a namespace in common. Needs no provider.
variables {
  stack      = "prod"
  org_prefix = "acme"
  project    = "acme-ml"
  region     = "us-central1"
}

run "the_same_namespaces_in_two_stacks_differ_by_the_stack" {
  command = plan
  variables {
    namespaces   = ["research", "try"]
    other_stacks = { test = { project = "acme-ml", namespaces = ["research", "try"] } }
  }
  assert {
    condition     = output.namespaces == tolist(["metaflow-prod", "namesake-system-prod", "research-prod", "try-prod"])
    error_message = "not these: ${jsonencode(output.namespaces)}"
  }
}

run "a_kept_namespace_of_another_stack_is_refused" {
  command = plan
  variables {
    kept_namespaces = ["research"]
    other_stacks    = { test = { project = "acme-ml", namespaces = [], kept = ["research"] } }
  }
  expect_failures = [output.namespaces]
}

# In another project the pool is another, and so is everyone's identity.
run "a_kept_namespace_of_a_stack_of_another_project_is_accepted" {
  command = plan
  variables {
    kept_namespaces = ["research"]
    other_stacks    = { test = { project = "acme-test", kept = ["research"] } }
  }
}

run "the_entry_of_the_stack_itself_is_ignored" {
  command = plan
  variables {
    kept_namespaces = ["research"]
    other_stacks    = { prod = { project = "acme-ml", kept = ["research"] } }
  }
}

# `research-a` of stack `b`, and `research` of stack `a-b`.
run "namespaces_that_meet_only_with_the_stack_are_refused" {
  command = plan
  variables {
    stack        = "b"
    namespaces   = ["research-a"]
    other_stacks = { a-b = { project = "acme-ml", namespaces = ["research"] } }
  }
  expect_failures = [output.namespaces]
}

run "the_system_namespace_of_another_stack_is_refused" {
  command = plan
  variables {
    kept_namespaces = ["namesake-system-test"]
    other_stacks    = { test = { project = "acme-ml" } }
  }
  expect_failures = [output.namespaces]
}

run "the_stacks_own_system_namespace_is_refused_for_people" {
  command = plan
  variables { namespaces = ["namesake-system"] }
  expect_failures = [output.namespaces]
}

run "a_namespace_that_is_too_long_with_the_stack_is_refused" {
  command = plan
  variables { namespaces = ["a23456789-123456789-123456789-123456789-123456789-123456789"] }
  expect_failures = [output.namespaces]
}

run "an_illegal_namespace_is_refused" {
  command = plan
  variables { namespaces = ["Research"] }
  expect_failures = [var.namespaces]
}

run "kubernetes_own_namespaces_are_refused" {
  command = plan
  variables { kept_namespaces = ["kube-system"] }
  expect_failures = [var.kept_namespaces]
}

run "the_identities_of_two_stacks_are_in_two_projects" {
  command = plan
  variables {
    identities_project = "acme-identities"
    other_stacks       = { test = { project = "acme-test", identities_project = "acme-identities" } }
  }
  expect_failures = [output.apart]
}

run "the_identities_are_not_where_the_cluster_of_another_stack_is" {
  command = plan
  variables {
    identities_project = "acme-test"
    other_stacks       = { test = { project = "acme-test" } }
  }
  expect_failures = [output.apart]
}

run "a_cluster_is_not_where_the_identities_of_another_stack_are" {
  command = plan
  variables { other_stacks = { test = { project = "acme-test", identities_project = "acme-ml" } } }
  expect_failures = [output.apart]
}

run "two_stacks_have_two_buckets" {
  command = plan
  variables { other_stacks = { test = { project = "acme-test", bucket = "acme-metaflow-prod" } } }
  expect_failures = [output.apart]
}

run "a_stack_without_namespaces_is_refused" {
  command = plan
  variables { namespaces = [] }
  expect_failures = [output.namespaces]
}
