terraform {
  required_version = ">= 1.9"

  # Bucket and prefix come from bootstrap: tofu init -backend-config=backend.hcl
  backend "gcs" {}

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }
}

provider "google" {
  project = local.own.project
  region  = local.own.region
}
