# Regions, zones, clusters and buckets. Needs no provider.
variables {
  stack      = "prod"
  org_prefix = "acme"
  project    = "acme-ml"
  region     = "us-central1"
}

run "a_zone_of_the_region_is_the_location" {
  command = plan
  variables { zone = "us-central1-a" }
  assert {
    condition     = output.location == "us-central1-a" && output.names.location == "us-central1-a" && output.names.region == "us-central1"
    error_message = "the zone is not the location"
  }
}

run "a_zone_of_another_region_is_refused" {
  command = plan
  variables { zone = "us-central2-b" }
  expect_failures = [output.location]
}

# us-central1 is the beginning of us-central10.
run "a_zone_of_a_region_that_begins_the_same_is_refused" {
  command = plan
  variables { zone = "us-central10-a" }
  expect_failures = [output.location]
}

run "a_zone_in_place_of_a_region_is_refused" {
  command = plan
  variables { region = "us-central1-a" }
  expect_failures = [var.region]
}

run "a_region_in_place_of_a_zone_is_refused" {
  command = plan
  variables { zone = "us-central1" }
  expect_failures = [var.zone]
}

run "a_cluster_with_its_path_is_refused" {
  command = plan
  variables { cluster = "projects/acme-ml/locations/us-central1/clusters/ml" }
  expect_failures = [var.cluster]
}

run "a_bucket_as_a_url_is_refused" {
  command = plan
  variables { bucket = "gs://acme-mf" }
  expect_failures = [var.bucket]
}

run "stack_and_cluster_must_fit_into_the_mark_of_an_account" {
  command = plan
  variables {
    stack   = "abcdefghijklmn"
    project = "acme-with-the-longest-id-of-al"
    region  = "northamerica-northeast1"
    cluster = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"
  }
  expect_failures = [output.names]
}
