//! `tests`: what the admin expects of the rules. They are no part of the rules' meaning, so they do not change the revision.

use std::collections::BTreeMap;

use super::launcher::Launcher;
use crate::{
    names::{is_dns_label, is_metaflow_name, quoted},
    reason::Reason,
    rules::yaml::{
        Fields, InvalidValue, Item, Position, invalid,
        values::{account, group, label, named, object_name, user, word},
    },
    user::User,
};

/// The word for a pod that keeps its service account.
const KEEP: &str = "keep";

/// One entry of `tests`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RuleTest {
    /// File of the entry.
    pub(crate) file: String,
    /// Where its expectation is.
    pub(crate) at: Position,
    /// Path of its expectation, as `tests[2].expect`.
    pub(crate) key: String,
    /// `as`: the requester, as the API server reports it.
    pub(crate) requester: String,
    /// The requester's groups.
    pub(crate) groups: Vec<String>,
    /// `in`: the namespace.
    pub(crate) namespace: String,
    pub(crate) object: TestObject,
    pub(crate) expect: Expectation,
}

/// What the requester creates, in the words of `match`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestObject {
    /// A Job if nothing else is given, as Metaflow creates.
    pub(crate) launcher: Launcher,
    pub(crate) flow: Option<String>,
    pub(crate) step: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations, which only `claim` of a requester reads.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What the pod should get.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expectation {
    /// An identity of this class, of this user if one is given.
    Identity { class: String, user: Option<User> },
    /// A service account that a rule names.
    ServiceAccount(String),
    /// The service account that it names.
    Keep,
    /// Nothing: it is refused.
    Refused(Reason),
}

impl RuleTest {
    pub(crate) fn read(item: &Item<'_>, file: &str) -> Option<RuleTest> {
        let mut fields = item.fields()?;
        let remedy = "name the requester as the API server reports it, as alice@acme.com";
        let requester = fields.required("as", remedy, account);
        let groups = fields.texts("groups", group);
        let namespace = fields.required("in", "name the namespace", |text| {
            named(
                text,
                "a namespace",
                is_dns_label,
                "write its name, without *",
            )
        });
        let object = match fields.get("object") {
            Some(item) => TestObject::read(&item),
            None => Some(TestObject::default()),
        };
        let expected = fields.require("expect", "write what the pod gets, as {identity: CLASS}");
        fields.report_unknown_keys();
        let expected = expected?;
        Some(RuleTest {
            file: file.to_owned(),
            at: expected.node.at,
            expect: Expectation::read(&expected)?,
            key: expected.path,
            requester: requester?,
            groups,
            namespace: namespace?,
            object: object?,
        })
    }
}

impl Default for TestObject {
    fn default() -> Self {
        Self {
            launcher: Launcher::Job,
            flow: None,
            step: None,
            project: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

impl TestObject {
    fn read(item: &Item<'_>) -> Option<TestObject> {
        let mut fields = item.fields()?;
        let name = |kind| {
            move |text: &str| {
                named(
                    text,
                    kind,
                    is_metaflow_name,
                    "write a name that Metaflow allows",
                )
            }
        };
        let launcher = fields.optional("launcher", |text| word(text, &Launcher::words()));
        let object = TestObject {
            launcher: launcher.unwrap_or(Launcher::Job),
            flow: fields.optional("flow", name("the name of a flow")),
            step: fields.optional("step", name("the name of a step")),
            project: fields.optional("project", name("the name of a project")),
            labels: texts(fields.get("labels")),
            annotations: texts(fields.get("annotations")),
        };
        fields.report_unknown_keys();
        Some(object)
    }
}

// A map of texts.
fn texts(item: Option<Item<'_>>) -> BTreeMap<String, String> {
    let fields = item.and_then(|item| item.fields());
    let mut texts = BTreeMap::new();
    for (key, _, value) in fields.iter().flat_map(Fields::all) {
        texts.extend(value.text().map(|text| (key.to_owned(), text.to_owned())));
    }
    texts
}

impl Expectation {
    fn read(item: &Item<'_>) -> Option<Expectation> {
        const REMEDY: &str =
            "write one of: {identity: CLASS}, {serviceAccount: NAME}, {refused: REASON}, keep";
        if let crate::rules::yaml::Value::Text(text) = &item.node.value {
            if text != KEEP {
                item.report(invalid(
                    format!("{} is not expected of a pod", quoted(text)),
                    REMEDY,
                ));
                return None;
            }
            return Some(Expectation::Keep);
        }
        let mut fields = item.fields()?;
        let class = fields.get("identity").map(|item| item.read(label));
        let user = fields.get("user").map(|item| item.read(user));
        let service_account = fields
            .get("serviceAccount")
            .map(|item| item.read(object_name));
        let refused = fields.get("refused").map(|item| item.read(reason));
        fields.report_unknown_keys();
        match (class, service_account, refused, user) {
            (Some(class), None, None, user) => Some(Expectation::Identity {
                class: class?,
                user: match user {
                    Some(user) => Some(user?),
                    None => None,
                },
            }),
            (None, Some(name), None, None) => name.map(Expectation::ServiceAccount),
            (None, None, Some(reason), None) => reason.map(Expectation::Refused),
            _ => {
                item.report(invalid("not exactly one thing is expected", REMEDY));
                None
            }
        }
    }
}

fn reason(text: &str) -> Result<Reason, InvalidValue> {
    text.parse().map_err(|_| {
        let what = format!("{} is not a reason", quoted(text));
        invalid(what, "write a word of docs/reasons.md, as NoMatch")
    })
}
