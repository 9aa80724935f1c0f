//! The mark: text on everything that the broker owns, which says to which installation and KSA it belongs.
//!
//! It is an annotation on Kubernetes objects and the description of a GSA, which Google limits to 256 bytes.

use std::fmt;
use std::str::FromStr;

/// Longest mark, in bytes: as long as the description of a GSA can be.
pub const MARK_BYTES: usize = 256;

const FIRST_WORD: &str = "namesake";

/// To which KSA of which stack and cluster a KSA, GSA or RoleBinding belongs: `namesake stack=S cluster=C ksa=NS/NAME`.
///
/// [`Mark::new`] and parsing check the parts, so that the text is never too long and always parses to the same mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    stack: String,
    cluster: String,
    namespace: String,
    name: String,
}

/// Why parts or a text are not a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkError {
    /// A part is empty, or has a character that makes the text ambiguous.
    Part {
        /// Which part: stack, cluster, namespace or name.
        part: &'static str,
        /// Its value.
        value: String,
    },
    /// The text is too long for the description of a GSA.
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
    },
    /// The text is not a mark.
    NotAMark,
}

impl fmt::Display for MarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { part, value } => write!(
                f,
                "mark: {part} {value:?} is empty, or has a space, a control character or a separator: rename it"
            ),
            Self::TooLong { bytes } => write!(
                f,
                "mark: {bytes} bytes, and the description of a Google service account holds {MARK_BYTES}: \
                 shorten the stack, the cluster or the namespace"
            ),
            Self::NotAMark => {
                f.write_str("mark: not of the form `namesake stack=S cluster=C ksa=NAMESPACE/NAME`")
            }
        }
    }
}

impl std::error::Error for MarkError {}

impl Mark {
    /// The mark of the KSA `namespace/name` of a cluster and stack.
    ///
    /// # Errors
    /// A part is empty or ambiguous, or the text is longer than [`MARK_BYTES`]. The fixed words have 30 bytes and a managed name
    /// has 30: 196 are left for stack, cluster and namespace together.
    pub fn new(stack: &str, cluster: &str, namespace: &str, name: &str) -> Result<Self, MarkError> {
        check("stack", stack, "")?;
        check("cluster", cluster, "")?;
        check("namespace", namespace, "/")?;
        check("name", name, "/")?;
        let mark = Self {
            stack: stack.to_owned(),
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        match mark.to_string().len() {
            0..=MARK_BYTES => Ok(mark),
            bytes => Err(MarkError::TooLong { bytes }),
        }
    }

    /// Stack of the KSA.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// Cluster of the KSA.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Namespace of the KSA.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name of the KSA.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stack,
            cluster,
            namespace,
            name,
        } = self;
        write!(
            f,
            "{FIRST_WORD} stack={stack} cluster={cluster} ksa={namespace}/{name}"
        )
    }
}

impl FromStr for Mark {
    type Err = MarkError;

    fn from_str(text: &str) -> Result<Self, MarkError> {
        let mut words = text.split(' ');
        let mut value = |key: &str| {
            words
                .next()
                .and_then(|w| w.strip_prefix(key))
                .ok_or(MarkError::NotAMark)
        };
        if !value(FIRST_WORD)?.is_empty() {
            return Err(MarkError::NotAMark);
        }
        let (stack, cluster) = (value("stack=")?, value("cluster=")?);
        let (namespace, name) = value("ksa=")?.split_once('/').ok_or(MarkError::NotAMark)?;
        if words.next().is_some() {
            return Err(MarkError::NotAMark);
        }
        Self::new(stack, cluster, namespace, name)
    }
}

fn check(part: &'static str, value: &str, separators: &str) -> Result<(), MarkError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || separators.contains(c);
    if value.is_empty() || value.contains(bad) {
        return Err(MarkError::Part {
            part,
            value: value.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "projects/acme/locations/us-central1/clusters/ml";
    const TEXT: &str = "namesake stack=prod cluster=projects/acme/locations/us-central1/clusters/ml ksa=research/mf-alice-0";

    #[test]
    fn the_text_of_a_mark_parses_to_the_same_mark() {
        let mark = Mark::new("prod", CLUSTER, "research", "mf-alice-0").unwrap();
        assert_eq!(mark.to_string(), TEXT);
        assert_eq!(TEXT.parse(), Ok(mark));
    }

    #[test]
    fn other_texts_are_not_marks() {
        for text in [
            "",
            "namesake",
            "Namesake stack=prod cluster=c ksa=n/k",
            "namesake  stack=prod cluster=c ksa=n/k",
            "namesake stack=prod cluster=c ksa=n",
            "namesake stack=prod cluster=c ksa=n/k/x",
            "namesake stack= cluster=c ksa=n/k",
            "namesake cluster=c stack=prod ksa=n/k",
            "namesake stack=prod cluster=c ksa=n/k x",
            "namesake stack=prod cluster=c ksa=n/k\n",
        ] {
            assert!(text.parse::<Mark>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_mark_is_never_longer_than_a_description() {
        let name = "mf-abcdefghijkl-abcdefghijklmn";
        let fits = "n".repeat(196 - "prod".len() - CLUSTER.len());
        let mark = Mark::new("prod", CLUSTER, &fits, name).unwrap();
        assert_eq!(mark.to_string().len(), MARK_BYTES);
        let over = Mark::new("prod", CLUSTER, &format!("{fits}n"), name);
        assert_eq!(over, Err(MarkError::TooLong { bytes: 257 }));
    }

    #[test]
    fn no_part_can_contain_another() {
        for (stack, cluster, namespace, name) in [
            ("prod cluster=c", "c", "n", "k"),
            ("prod", "c\u{2003}x", "n", "k"),
            ("prod", "c", "n/m", "k"),
            ("prod", "c", "n", "k/l"),
            ("", "c", "n", "k"),
        ] {
            assert!(matches!(
                Mark::new(stack, cluster, namespace, name),
                Err(MarkError::Part { .. })
            ));
        }
    }
}
