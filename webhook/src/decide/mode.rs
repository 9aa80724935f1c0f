//! The mode of a namespace. With `off` it is as if it were not opted in: the API server does not call the webhook, and the policy
//! `namesake-pods` keeps managed accounts out of reach.

/// The mode of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything.
    #[default]
    Enforce,
    /// Stamps parents, and reports what it would decide.
    Shadow,
    /// Nothing.
    Off,
}

impl Mode {
    /// The mode that the label names. An unknown text is an error, and then counts as `enforce`: it must not weaken anything.
    ///
    /// # Errors
    /// The text, if it is not a mode.
    pub fn of(label: Option<&str>) -> Result<Mode, &str> {
        match label {
            None | Some("enforce") => Ok(Mode::Enforce),
            Some("shadow") => Ok(Mode::Shadow),
            Some("off") => Ok(Mode::Off),
            Some(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_mode_is_an_error_and_not_a_weaker_mode() {
        assert_eq!(Mode::of(None), Ok(Mode::Enforce));
        assert_eq!(Mode::of(Some("shadow")), Ok(Mode::Shadow));
        assert_eq!(Mode::of(Some("off")), Ok(Mode::Off));
        for other in ["", "Off", "OFF", "disabled", "enforce "] {
            assert_eq!(Mode::of(Some(other)), Err(other));
        }
        assert_eq!(Mode::default(), Mode::Enforce);
    }
}
