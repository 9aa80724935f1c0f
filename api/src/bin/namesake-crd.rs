//! Prints the CustomResourceDefinition of Identity.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let yaml = namesake_api::crd_yaml()?;
    std::io::stdout().write_all(yaml.as_bytes())?;
    Ok(())
}
