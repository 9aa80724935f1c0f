//! Durations on command lines and in URLs, as Go and Kubernetes write them.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration such as `10s`, `500ms` or `1m30s`.
///
/// # Errors
/// A text that is not a duration with its unit, or a negative one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || {
        format!(
            "{text:?} is not a duration: write a number of at least 0 with its unit, such as 6s"
        )
    };
    let duration: SignedDuration = text.parse().map_err(|_| invalid())?;
    Duration::try_from(duration).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("1h0m0s", 3_600_000),
            ("0s", 0),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_or_negative_is_refused() {
        for text in ["", "soon", "5", "-1s", "1s ago", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
