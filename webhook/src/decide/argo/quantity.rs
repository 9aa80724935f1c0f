//! Kubernetes quantities: Argo writes `1000M` back as `1G` and `0.5` as `500m`, and both must compare equal.

/// A quantity in billionths; `None` for what is not a quantity, or is too large to matter.
pub(super) fn billionths(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 {
        return None;
    }
    let digits: i128 = digits.parse().ok()?;
    let (tens, twos) = scale(suffix)?;
    let exponent = tens + 9 - i32::try_from(fraction.len()).ok()?;
    let scaled = digits.checked_mul(1_i128.checked_shl(twos)?)?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let scaled = if exponent < 0 {
        // Kubernetes rounds up what is smaller than a billionth.
        scaled.checked_add(power - 1)? / power
    } else {
        scaled.checked_mul(power)?
    };
    Some(sign * scaled)
}

// The power of ten and the power of two of a suffix.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            (exponent.parse().ok().filter(|e| (-18..=18).contains(e))?, 0)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_by_value() {
        for (one, other) in [
            ("1000M", "1G"),
            ("0.5", "500m"),
            ("1.0", "1"),
            ("1024Mi", "1Gi"),
            ("4096M", "4096000k"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            ("0.1n", "1n"),
            ("+2", "2"),
        ] {
            assert_eq!(billionths(one), billionths(other), "{one} {other}");
            assert!(billionths(one).is_some(), "{one}");
        }
        assert_ne!(billionths("1G"), billionths("1Gi"));
        assert_ne!(billionths("-1"), billionths("1"));
    }

    #[test]
    fn what_is_not_a_quantity_is_none() {
        for text in [
            "",
            "x",
            "1x",
            "1.2.3",
            "{{a}}",
            "99999999999999999999999999999999",
            "1e99",
        ] {
            assert_eq!(billionths(text), None, "{text}");
        }
    }
}
