//! The trace to which a request of the API server belongs (W3C Trace Context), for the log.

use std::str;

use axum::http::HeaderMap;

tokio::task_local! {
    static TRACE: Option<TraceId>;
}

/// The id of a trace: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId([u8; 32]);

impl TraceId {
    /// The trace of a request with these headers, if it has a valid `traceparent`: `VERSION-TRACE-PARENT-FLAGS`.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
        let (version, trace) = (parts.next()?, parts.next()?);
        let (parent, flags) = (parts.next()?, parts.next()?);
        let is_valid = is_hex(version, 2)
            && version != "ff"
            && is_hex(parent, 16)
            && is_hex(flags, 2)
            && is_hex(trace, 32)
            && trace.bytes().any(|digit| digit != b'0');
        is_valid.then(|| trace.as_bytes().try_into().ok().map(Self))?
    }

    /// The trace of what runs now.
    pub(crate) fn current() -> Option<Self> {
        TRACE.try_with(|trace| *trace).ok().flatten()
    }

    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Runs `work` as a part of this trace.
pub(crate) fn within<T>(
    trace: Option<TraceId>,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    TRACE.scope(trace, work)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(header: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", header.parse().unwrap());
        TraceId::of(&headers).map(|trace| trace.as_str().to_owned())
    }

    #[test]
    fn the_trace_is_read_from_a_valid_header_only() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = "00f067aa0ba902b7";
        assert_eq!(trace(&format!("00-{id}-{parent}-01")).as_deref(), Some(id));
        // A later version may have more parts.
        let later = trace(&format!("01-{id}-{parent}-00-more"));
        assert_eq!(later.as_deref(), Some(id));
        for invalid in [
            "",
            "00",
            &format!("ff-{id}-{parent}-01"),
            &format!("00-{}-{parent}-01", "0".repeat(32)),
            &format!("00-{}-{parent}-01", id.to_uppercase()),
            &format!("00-{}-{parent}-01", &id[1..]),
            &format!("00-{id}-{parent}"),
            &format!("00-{id}-x-01"),
        ] {
            assert_eq!(trace(invalid), None, "{invalid}");
        }
        assert_eq!(TraceId::of(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_trace_lasts_as_long_as_its_work() {
        let mut headers = HeaderMap::new();
        let header = format!("00-{}-00f067aa0ba902b7-01", "a".repeat(32));
        headers.insert("traceparent", header.parse().unwrap());
        let trace = TraceId::of(&headers);
        assert!(trace.is_some());
        let inside = within(trace, async { TraceId::current() }).await;
        assert_eq!(inside, trace);
        assert_eq!(TraceId::current(), None);
    }
}
