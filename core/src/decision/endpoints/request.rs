//! What a request to Metaflow's metadata service does, by its method and path. What is not known here is refused.

use crate::{names::quoted, reason::Reason, user::User};

use super::{EndpointRight, Refusal};

/// What a request to the metadata service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataRequest<'p> {
    /// It changes nothing.
    Read,
    /// It registers a flow, which belongs to nobody.
    RegisterFlow,
    /// It creates a run.
    NewRun,
    /// It writes something under a run: a step, a task, an artifact, metadata, a heartbeat.
    ChangeRun(Run<'p>),
    /// It changes the tags of a run.
    ChangeTags(Run<'p>),
}

/// A run, as the path of a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'p> {
    /// `/flows/FLOW/runs/RUN`, the path at which the metadata service says whose it is.
    pub path: &'p str,
}

impl<'p> MetadataRequest<'p> {
    /// Reads method and path, without the query.
    ///
    /// # Errors
    /// They are not of the metadata service, or the path could mean different things to different servers.
    pub fn parse(method: &str, path: &'p str) -> Result<Self, Refusal> {
        let request = match method {
            "GET" | "HEAD" => is_read(path).then_some(Self::Read),
            _ => Self::parse_write(method, path),
        };
        request.ok_or_else(|| {
            let message = format!(
                "{method} {} is not a request to Metaflow's metadata service that the gateway lets through.",
                quoted(path)
            );
            Refusal::new(Reason::UnknownPath, message)
        })
    }

    fn parse_write(method: &str, path: &'p str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if !segments.iter().all(|segment| is_plain(segment)) {
            return None;
        }
        match (method, segments.as_slice()) {
            ("POST", ["flows", _]) => Some(Self::RegisterFlow),
            ("POST", ["flows", _, "run"]) => Some(Self::NewRun),
            ("PATCH", ["flows", flow, "runs", run, "tag", "mutate"]) => {
                Some(Self::ChangeTags(Run::new(path, flow, run)?))
            }
            ("POST", ["flows", flow, "runs", run, rest @ ..]) if is_part_of_run(rest) => {
                Some(Self::ChangeRun(Run::new(path, flow, run)?))
            }
            _ => None,
        }
    }

    /// The right that it needs.
    #[must_use]
    pub fn right(&self) -> EndpointRight {
        match self {
            Self::Read => EndpointRight::Read,
            _ => EndpointRight::Write,
        }
    }
}

/// What is written under a run.
fn is_part_of_run(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["heartbeat"]
            | ["steps", _, "step" | "task"]
            | [
                "steps",
                _,
                "tasks",
                _,
                "artifact" | "metadata" | "heartbeat"
            ]
    )
}

impl<'p> Run<'p> {
    fn new(path: &'p str, flow: &str, run: &str) -> Option<Self> {
        let length = "/flows/".len() + flow.len() + "/runs/".len() + run.len();
        path.get(..length).map(|path| Self { path })
    }

    /// Checks that a user may change the run. `owner` is the `user_name` that the metadata service recorded: a run that was
    /// recorded under another kind of name, as before the gateway, is nobody's.
    ///
    /// # Errors
    /// The run belongs to another user, and the user is not an admin.
    pub fn check_owner(
        &self,
        user: &User,
        right: EndpointRight,
        owner: &str,
    ) -> Result<(), Refusal> {
        if right == EndpointRight::Admin || owner == user.as_str() {
            return Ok(());
        }
        let message = format!(
            "{} belongs to {}, and you are {user}. Only its user, the user's own pods and admins may change it.",
            self.path,
            quoted(owner)
        );
        Err(Refusal::new(Reason::NotYourRun, message))
    }
}

/// What can be read: `/ping`, and everything below `/flows`. Never `/auth/token`, with which the service would hand out credentials
/// of its own.
fn is_read(path: &str) -> bool {
    let below = path.strip_prefix("/flows");
    let is_known =
        path == "/ping" || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_known && is_plain_path(path)
}

/// Whether every server takes a path for the same: it begins with `/`, has no empty segments (except after a last `/`), no `.` and
/// `..`, no parameters (`;`), and no escapes that hide a character with a meaning.
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    path.is_empty() || path.split('/').all(is_plain)
}

fn is_plain(segment: &str) -> bool {
    if matches!(segment, "" | "." | "..") {
        return false;
    }
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let is_plain = if byte == b'%' {
            let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(hex_value));
            matches!(digits, [Some(high), Some(low)] if may_be_escaped(high * 16 + low))
        } else {
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
        };
        if !is_plain {
            return false;
        }
    }
    true
}

fn hex_value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Letters that are not ASCII, spaces, and printable characters without a meaning in paths.
fn may_be_escaped(byte: u8) -> bool {
    !byte.is_ascii_control() && !b"/\\%.;?#".contains(&byte)
}
