//! The mode of a namespace.

/// What Namesake does in a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// All of it.
    #[default]
    Enforce,
    /// Stamps, and what would have been.
    Shadow,
    /// Nothing.
    Off,
}

impl Mode {
    /// The mode that a label names. What is not understood must not loosen anything: it is `enforce`, and an error.
    ///
    /// # Errors
    /// The text, if it is no mode.
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
    fn a_mode_that_nobody_knows_is_no_mode_and_nothing_looser() {
        assert_eq!(Mode::of(None), Ok(Mode::Enforce));
        assert_eq!(Mode::of(Some("shadow")), Ok(Mode::Shadow));
        assert_eq!(Mode::of(Some("off")), Ok(Mode::Off));
        for other in ["", "Off", "OFF", "disabled", "enforce "] {
            assert_eq!(Mode::of(Some(other)), Err(other));
        }
        assert_eq!(Mode::default(), Mode::Enforce);
    }
}
