terraform {
  # Terraform 1.9 and OpenTofu 1.9 or newer. Only functions that both have.
  required_version = ">= 1.9"
}
