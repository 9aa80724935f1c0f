//! Google's side as Namesake uses it: IAM, credentials, STS and resource policies.
