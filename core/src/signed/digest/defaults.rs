//! Defaults that the API server fills in.

use crate::json::Json;

/// Whether a member has the default that the API server fills in, and counts as absent. A member is here only if this value has the
/// same meaning as its absence wherever a pod has a member of that name.
pub(super) fn is_default(member: &str, value: &Json<'_>) -> bool {
    let text = |default: &str| matches!(value, Json::String(text) if text.as_str() == default);
    let number = |default: i64| value.as_i64() == Some(default);
    match member {
        "imagePullPolicy" => true,
        "enableServiceLinks" => *value == Json::Bool(true),
        "hostIPC" | "hostNetwork" | "hostPID" | "readOnly" | "stdin" | "tty" => {
            *value == Json::Bool(false)
        }
        "apiVersion" => text("v1"),
        "dnsPolicy" => text("ClusterFirst"),
        "protocol" => text("TCP"),
        "restartPolicy" => text("Always"),
        "schedulerName" => text("default-scheduler"),
        "scheme" => text("HTTP"),
        "terminationMessagePath" => text("/dev/termination-log"),
        "terminationMessagePolicy" => text("File"),
        "hostPort" | "initialDelaySeconds" => number(0),
        "successThreshold" | "timeoutSeconds" => number(1),
        "failureThreshold" => number(3),
        "periodSeconds" => number(10),
        "terminationGracePeriodSeconds" => number(30),
        "defaultMode" => number(420),
        "expirationSeconds" => number(3600),
        _ => false,
    }
}
