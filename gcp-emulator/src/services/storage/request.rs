//! What a storage request asks for: pure, from method, path and query.

use http::Method;
use http::request::Parts;

use crate::api::call::{self, parameter};

/// A storage request, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Buckets, managed folders, policies: served here.
    Resource,
    /// Objects: served by the store behind, if every check passes.
    Objects(Objects),
    /// The start of an upload: the object's name may be in the body.
    Upload {
        bucket: String,
    },
    /// A chunk of an upload that was let in when it started: its URL is its credential, as at Google.
    Session,
    NotEmulated,
}

/// Which objects are touched, and under which path the store has them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Objects {
    pub(crate) checks: Vec<Check>,
    /// Path for the store, when it is not the request's own.
    pub(crate) path: Option<String>,
    /// Whether the body names further objects (compose).
    pub(crate) composes: bool,
}

/// One permission on one object, or on a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) bucket: String,
    pub(crate) permission: &'static str,
    pub(crate) on: On,
}

/// An object's name, or a listing's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Object(String),
    List(String),
}

impl Check {
    pub(crate) fn object(bucket: &str, permission: &'static str, object: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            permission,
            on: On::Object(object.to_owned()),
        }
    }
}

/// Understands a request. Object names must be one part of the path, as Google demands of JSON paths: a raw `/` in
/// one could be read differently by the store.
pub(crate) fn parse(parts: &Parts) -> Ask {
    let segments = call::segments(parts.uri.path());
    let mut path: Vec<&str> = segments.iter().map(String::as_str).collect();
    while path.last() == Some(&"") {
        path.pop();
    }
    let method = &parts.method;
    let query = call::query(&parts.uri);
    match path.as_slice() {
        ["storage", "v1", "b"] => Ask::Resource,
        ["storage", "v1", "b", bucket, "o", rest @ ..] => json(method, bucket, rest, &query),
        ["storage", "v1", "b", _, ..] => Ask::Resource,
        ["download", "storage", "v1", "b", bucket, "o", object] if read_only(method) => {
            one(bucket, "storage.objects.get", object)
        }
        ["upload", "storage", "v1", "b", bucket, "o"] => upload(method, bucket, &query),
        ["upload", "resumable", _] if method == Method::PUT => Ask::Session,
        ["storage" | "upload" | "download" | "batch", ..] => Ask::NotEmulated,
        [bucket, _, ..] => xml(parts, method, bucket),
        _ => Ask::NotEmulated,
    }
}

fn read_only(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn one(bucket: &str, permission: &'static str, object: &str) -> Ask {
    Ask::Objects(Objects {
        checks: vec![Check::object(bucket, permission, object)],
        path: None,
        composes: false,
    })
}

fn json(method: &Method, bucket: &str, rest: &[&str], query: &[(String, String)]) -> Ask {
    match (method.as_str(), rest) {
        ("GET", []) => Ask::Objects(Objects {
            checks: vec![Check {
                bucket: bucket.to_owned(),
                permission: "storage.objects.list",
                on: On::List(parameter(query, "prefix").unwrap_or_default().to_owned()),
            }],
            path: None,
            composes: false,
        }),
        ("GET" | "HEAD", [object]) => one(bucket, "storage.objects.get", object),
        ("DELETE", [object]) => one(bucket, "storage.objects.delete", object),
        ("PATCH" | "PUT", [object]) => one(bucket, "storage.objects.update", object),
        ("POST", [from, "rewriteTo" | "copyTo", "b", to_bucket, "o", to]) => {
            Ask::Objects(Objects {
                checks: vec![
                    Check::object(bucket, "storage.objects.get", from),
                    Check::object(to_bucket, "storage.objects.create", to),
                ],
                path: None,
                composes: false,
            })
        }
        ("POST", [object, "compose"]) => Ask::Objects(Objects {
            checks: vec![Check::object(bucket, "storage.objects.create", object)],
            path: None,
            composes: true,
        }),
        _ => Ask::NotEmulated,
    }
}

fn upload(method: &Method, bucket: &str, query: &[(String, String)]) -> Ask {
    let session = parameter(query, "upload_id").is_some();
    match (method.as_str(), session) {
        ("PUT" | "DELETE", true) => Ask::Session,
        ("POST", false) => Ask::Upload {
            bucket: bucket.to_owned(),
        },
        _ => Ask::NotEmulated,
    }
}

/// `/BUCKET/OBJECT` of the XML API, as the JSON path of the same object. Reading and deleting only.
fn xml(parts: &Parts, method: &Method, bucket: &str) -> Ask {
    let raw = parts.uri.path().trim_start_matches('/');
    let Some((raw_bucket, raw_object)) = raw.split_once('/') else {
        return Ask::NotEmulated;
    };
    let object = call::segments(raw_object).join("/");
    let (permission, door) = match method.as_str() {
        "GET" | "HEAD" => ("storage.objects.get", "/download"),
        "DELETE" => ("storage.objects.delete", ""),
        _ => return Ask::NotEmulated,
    };
    Ask::Objects(Objects {
        checks: vec![Check::object(bucket, permission, &object)],
        path: Some(format!(
            "{door}/storage/v1/b/{raw_bucket}/o/{}",
            raw_object.replace('/', "%2F")
        )),
        composes: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, uri: &str) -> Ask {
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(())
            .unwrap();
        parse(&request.into_parts().0)
    }

    #[test]
    fn objects_are_named_by_one_part_of_the_path() {
        let wanted = one("b", "storage.objects.get", "users/bob/x");
        assert_eq!(
            ask("GET", "/storage/v1/b/b/o/users%2Fbob%2Fx?alt=media"),
            wanted
        );
        assert_eq!(
            ask("GET", "/download/storage/v1/b/b/o/users%2Fbob%2Fx"),
            wanted
        );
        assert_eq!(
            ask("GET", "/storage/v1/b/b/o/users/bob/x"),
            Ask::NotEmulated
        );
        assert_eq!(ask("GET", "/storage/v1/b/b/o/x/acl"), Ask::NotEmulated);
        assert_eq!(ask("POST", "/batch/storage/v1"), Ask::NotEmulated);
    }

    #[test]
    fn an_xml_path_becomes_the_json_path_of_the_same_object() {
        let Ask::Objects(objects) = ask("GET", "/b/users/bob/x%20y") else {
            panic!("not an object");
        };
        assert_eq!(
            objects.checks,
            [Check::object("b", "storage.objects.get", "users/bob/x y")]
        );
        assert_eq!(
            objects.path.unwrap(),
            "/download/storage/v1/b/b/o/users%2Fbob%2Fx%20y"
        );
    }

    #[test]
    fn only_put_and_delete_continue_a_session() {
        let uri = "/upload/storage/v1/b/b/o?uploadType=resumable&upload_id=1";
        assert_eq!(ask("PUT", uri), Ask::Session);
        assert_eq!(ask("POST", uri), Ask::NotEmulated);
    }
}
