//! One line per request, as JSON on standard output: who did what. No query, header or cookie that could hold a secret is in it.

use namesake_api::names::USER_HEADER;
use serde_json::{Value, json};

/// The access log of the public listener.
pub(super) fn access_log() -> Value {
    json!([{
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {
                "json_format": {
                    "time": "%START_TIME%",
                    "user": format!("%REQ({USER_HEADER})%"),
                    "method": "%REQ(:METHOD)%",
                    "host": "%REQ(X-FORWARDED-HOST?:AUTHORITY)%",
                    "path": "%PATH(NQ)%",
                    "status": "%RESPONSE_CODE%",
                    "details": "%RESPONSE_CODE_DETAILS%",
                    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "milliseconds": "%DURATION%",
                    "bytes_received": "%BYTES_RECEIVED%",
                    "bytes_sent": "%BYTES_SENT%",
                },
                // A header that is missing is left out.
                "omit_empty_values": true,
            },
        },
    }])
}
