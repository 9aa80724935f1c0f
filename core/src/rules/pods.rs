//! `sidecars`, `requireMetadataServer` and `hygiene`: what the rules say about all pods with an identity.

use serde::Serialize;

use crate::names::{Glob, is_dns_label, quoted};

use super::yaml::{Fields, InvalidValue, Item, invalid, values};

/// Longest glob for images of sidecars, in bytes.
const MAX_IMAGE_BYTES: usize = 1024;

/// A container that other webhooks may add to a pod with an identity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Sidecar {
    pub(crate) name: Glob,
    pub(crate) image: Glob,
}

/// What is corrected in the environment of pod templates. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hygiene {
    /// `METAFLOW_USER` and `METAFLOW_OWNER` are set to the proven user.
    pub set_user: bool,
    /// Credentials are removed from `METAFLOW_SERVICE_HEADERS`.
    pub strip_tokens: bool,
}

impl Hygiene {
    /// Whether anything is corrected.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.set_user || self.strip_tokens
    }
}

/// What the rules say about all pods with an identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pods {
    pub(crate) sidecars: Vec<Sidecar>,
    pub(crate) require_metadata_server: bool,
    pub(crate) hygiene: Hygiene,
}

impl Pods {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Pods {
        let sidecars = fields.list("sidecars", Sidecar::read);
        let require_metadata_server = fields.flag("requireMetadataServer");
        let hygiene = fields.get("hygiene").and_then(|item| Hygiene::read(&item));
        Pods {
            sidecars,
            require_metadata_server,
            hygiene: hygiene.unwrap_or_default(),
        }
    }
}

impl Sidecar {
    fn read(item: &Item<'_>) -> Option<Sidecar> {
        let mut fields = item.fields()?;
        let name = values::name_glob("container", is_dns_label);
        let name = fields.required("name", "name the container, as istio-proxy", name);
        let remedy = "write the image with its registry, as gcr.io/istio/proxyv2:*";
        let image = fields.required("image", remedy, image);
        fields.report_unknown_keys();
        let sidecar = Sidecar {
            name: name?,
            image: image?,
        };
        if sidecar.name.matches_everything() && sidecar.image.matches_everything() {
            let remedy = "name at least the registry of the image: otherwise any webhook can run any image as any user";
            item.report(invalid("this allows every container in every pod", remedy));
            return None;
        }
        Some(sidecar)
    }
}

fn image(text: &str) -> Result<Glob, InvalidValue> {
    let legal = |c: char| c.is_ascii_graphic();
    if (1..=MAX_IMAGE_BYTES).contains(&text.len()) && text.chars().all(legal) {
        return Ok(Glob::new(text));
    }
    let what = format!("{} matches no image", quoted(text));
    Err(invalid(what, "write an image, with * for any characters"))
}

impl Hygiene {
    fn read(item: &Item<'_>) -> Option<Hygiene> {
        let mut fields = item.fields()?;
        let hygiene = Hygiene {
            set_user: fields.flag("setUser"),
            strip_tokens: fields.flag("stripTokens"),
        };
        fields.report_unknown_keys();
        Some(hygiene)
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::{Rules, Source, tests::fixtures::everything};

    fn problems(from: &str, to: &str) -> String {
        let text = include_str!("../../testdata/everything.yaml").replace(from, to);
        let source = Source {
            file: "r",
            text: &text,
        };
        Rules::parse(&[source]).unwrap_err().to_string()
    }

    #[test]
    fn a_sidecar_matches_by_its_whole_name_and_image() {
        let rules = everything();
        assert!(rules.is_sidecar("istio-proxy", "gcr.io/istio/proxyv2:1.27"));
        assert!(!rules.is_sidecar("istio-proxy-2", "gcr.io/istio/proxyv2:1.27"));
        assert!(!rules.is_sidecar("istio-proxy", "evil.example/gcr.io/istio/proxyv2:1"));
        assert!(!rules.is_sidecar("other", "gcr.io/istio/proxyv2:1.27"));
        assert!(rules.requires_metadata_server());
        assert!(rules.hygiene().set_user && rules.hygiene().strip_tokens);
    }

    #[test]
    fn a_sidecar_that_allows_every_container_is_an_error() {
        let image = "image: \"gcr.io/istio/proxyv2:*\"";
        let everything = problems(
            &format!("name: istio-proxy, {image}"),
            "name: \"*\", image: \"*\"",
        );
        assert!(everything.contains("every container"), "{everything}");
        assert!(problems(image, "image: \"\"").contains("matches no image"));
        assert!(problems(image, "tag: x").contains("the key image is missing"));
        assert!(problems("setUser: true", "setUser: yes please").contains("true or false"));
    }
}
