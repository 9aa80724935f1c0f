//! Parses storage requests: method, path and query. Pure.

use http::Method;
use http::request::Parts;

use crate::api::query::{self, parameter};

/// A parsed storage request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StorageRequest {
    /// Buckets, managed folders and policies, which are emulated here.
    Resource,
    /// Objects, which the object store serves if all checks pass.
    Objects(ObjectRequest),
    /// The start of an upload. The object's name may be in the body.
    Upload {
        bucket: String,
    },
    /// A chunk of an upload that was checked when it started. Its URL is its credential, as at Google.
    Session,
    NotEmulated,
}

/// A request for objects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectRequest {
    pub(crate) checks: Vec<PermissionCheck>,
    /// Path for the object store, if it differs from that of the request.
    pub(crate) path: Option<String>,
    /// Whether the body names more objects (compose).
    pub(crate) composes: bool,
}

/// A permission to check on an object, or on a list request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermissionCheck {
    pub(crate) bucket: String,
    pub(crate) permission: &'static str,
    pub(crate) subject: Subject,
}

/// The name of an object, or the prefix of a list request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Object(String),
    List(String),
}

impl PermissionCheck {
    pub(crate) fn object(bucket: &str, permission: &'static str, object: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            permission,
            subject: Subject::Object(object.to_owned()),
        }
    }
}

/// Parses a request. An object name must be one part of the path, as Google requires for JSON paths, because the object
/// store could read a `/` in it differently.
pub(crate) fn parse(parts: &Parts) -> StorageRequest {
    let segments = query::segments(parts.uri.path());
    let mut path: Vec<&str> = segments.iter().map(String::as_str).collect();
    while path.last() == Some(&"") {
        path.pop();
    }
    let method = &parts.method;
    let query = query::query(&parts.uri);
    match path.as_slice() {
        ["storage", "v1", "b"] | ["storage", "v1", "projects", _, "serviceAccount"] => {
            StorageRequest::Resource
        }
        ["storage", "v1", "b", bucket, "o", rest @ ..] => json(method, bucket, rest, &query),
        ["storage", "v1", "b", _, ..] => StorageRequest::Resource,
        ["download", "storage", "v1", "b", bucket, "o", name] if read_only(method) => {
            object(bucket, "storage.objects.get", name)
        }
        ["upload", "storage", "v1", "b", bucket, "o"] => upload(method, bucket, &query),
        ["upload", "resumable", _] if method == Method::PUT => StorageRequest::Session,
        ["storage" | "upload" | "download" | "batch", ..] => StorageRequest::NotEmulated,
        [bucket, _, ..] => xml(parts, method, bucket),
        _ => StorageRequest::NotEmulated,
    }
}

fn read_only(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn object(bucket: &str, permission: &'static str, object: &str) -> StorageRequest {
    StorageRequest::Objects(ObjectRequest {
        checks: vec![PermissionCheck::object(bucket, permission, object)],
        path: None,
        composes: false,
    })
}

fn json(
    method: &Method,
    bucket: &str,
    rest: &[&str],
    query: &[(String, String)],
) -> StorageRequest {
    match (method.as_str(), rest) {
        ("GET", []) => StorageRequest::Objects(ObjectRequest {
            checks: vec![PermissionCheck {
                bucket: bucket.to_owned(),
                permission: "storage.objects.list",
                subject: Subject::List(parameter(query, "prefix").unwrap_or_default().to_owned()),
            }],
            path: None,
            composes: false,
        }),
        ("GET" | "HEAD", [name]) => object(bucket, "storage.objects.get", name),
        ("DELETE", [name]) => object(bucket, "storage.objects.delete", name),
        ("PATCH" | "PUT", [name]) => object(bucket, "storage.objects.update", name),
        ("POST", [from, "rewriteTo" | "copyTo", "b", to_bucket, "o", to]) => {
            StorageRequest::Objects(ObjectRequest {
                checks: vec![
                    PermissionCheck::object(bucket, "storage.objects.get", from),
                    PermissionCheck::object(to_bucket, "storage.objects.create", to),
                ],
                path: None,
                composes: false,
            })
        }
        ("POST", [object, "compose"]) => StorageRequest::Objects(ObjectRequest {
            checks: vec![PermissionCheck::object(
                bucket,
                "storage.objects.create",
                object,
            )],
            path: None,
            composes: true,
        }),
        _ => StorageRequest::NotEmulated,
    }
}

fn upload(method: &Method, bucket: &str, query: &[(String, String)]) -> StorageRequest {
    let session = parameter(query, "upload_id").is_some();
    match (method.as_str(), session) {
        ("PUT" | "DELETE", true) => StorageRequest::Session,
        ("POST", false) => StorageRequest::Upload {
            bucket: bucket.to_owned(),
        },
        _ => StorageRequest::NotEmulated,
    }
}

/// `/BUCKET/OBJECT` of the XML API, with the JSON path of the same object; only reads and deletes.
fn xml(parts: &Parts, method: &Method, bucket: &str) -> StorageRequest {
    let raw = parts.uri.path().trim_start_matches('/');
    let Some((raw_bucket, raw_object)) = raw.split_once('/') else {
        return StorageRequest::NotEmulated;
    };
    let name = query::segments(raw_object).join("/");
    let (permission, prefix) = match method.as_str() {
        "GET" | "HEAD" => ("storage.objects.get", "/download"),
        "DELETE" => ("storage.objects.delete", ""),
        _ => return StorageRequest::NotEmulated,
    };
    StorageRequest::Objects(ObjectRequest {
        checks: vec![PermissionCheck::object(bucket, permission, &name)],
        path: Some(format!(
            "{prefix}/storage/v1/b/{raw_bucket}/o/{}",
            raw_object.replace('/', "%2F")
        )),
        composes: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str) -> StorageRequest {
        let parts = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(())
            .unwrap();
        parse(&parts.into_parts().0)
    }

    #[test]
    fn an_object_name_is_one_part_of_the_path() {
        let wanted = object("b", "storage.objects.get", "users/bob/x");
        assert_eq!(
            request("GET", "/storage/v1/b/b/o/users%2Fbob%2Fx?alt=media"),
            wanted
        );
        assert_eq!(
            request("GET", "/download/storage/v1/b/b/o/users%2Fbob%2Fx"),
            wanted
        );
        assert_eq!(
            request("GET", "/storage/v1/b/b/o/users/bob/x"),
            StorageRequest::NotEmulated
        );
        assert_eq!(
            request("GET", "/storage/v1/b/b/o/x/acl"),
            StorageRequest::NotEmulated
        );
        assert_eq!(
            request("POST", "/batch/storage/v1"),
            StorageRequest::NotEmulated
        );
    }

    #[test]
    fn an_xml_path_becomes_the_json_path_of_the_same_object() {
        let StorageRequest::Objects(objects) = request("GET", "/b/users/bob/x%20y") else {
            panic!("not an object");
        };
        assert_eq!(
            objects.checks,
            [PermissionCheck::object(
                "b",
                "storage.objects.get",
                "users/bob/x y"
            )]
        );
        assert_eq!(
            objects.path.unwrap(),
            "/download/storage/v1/b/b/o/users%2Fbob%2Fx%20y"
        );
    }

    #[test]
    fn only_put_and_delete_continue_an_upload_session() {
        let uri = "/upload/storage/v1/b/b/o?uploadType=resumable&upload_id=1";
        assert_eq!(request("PUT", uri), StorageRequest::Session);
        assert_eq!(request("POST", uri), StorageRequest::NotEmulated);
    }
}
