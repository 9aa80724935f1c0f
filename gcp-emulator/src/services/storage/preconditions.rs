//! Preconditions on objects, such as `ifGenerationMatch`. The object store supports them for uploads only.

use http::HeaderMap;
use serde_json::Value;

use crate::api::errors::ApiError;
use crate::api::query::parameter;

/// Generation and metageneration of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    generation: i64,
    metageneration: i64,
}

impl Version {
    /// The version in the JSON of an object, where numbers are strings.
    pub(crate) fn of(object: &Value) -> Self {
        let number = |name: &str| {
            let text = object.get(name).and_then(Value::as_str);
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Self {
            generation: number("generation"),
            metageneration: number("metageneration"),
        }
    }
}

/// The preconditions of a request on an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    generation_match: Option<i64>,
    generation_not_match: Option<i64>,
    metageneration_match: Option<i64>,
    metageneration_not_match: Option<i64>,
}

/// The result of checking preconditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hold,
    /// The client has this version already: 304 for a read, 412 for a write.
    Unchanged,
    /// 412.
    Fail,
}

impl Preconditions {
    /// The preconditions on the object that a request reads, changes or creates; the XML API has them in headers.
    ///
    /// # Errors
    /// 400 for a value that is not a number.
    pub(crate) fn on_target(
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str, header_name: &str| -> Result<Option<i64>, ApiError> {
            parse(name, parameter(query, name).or_else(|| header(header_name)))
        };
        Ok(Self {
            generation_match: number("ifGenerationMatch", "x-goog-if-generation-match")?,
            generation_not_match: number("ifGenerationNotMatch", "")?,
            metageneration_match: number(
                "ifMetagenerationMatch",
                "x-goog-if-metageneration-match",
            )?,
            metageneration_not_match: number("ifMetagenerationNotMatch", "")?,
        })
    }

    /// The preconditions on the source of a copy.
    ///
    /// # Errors
    /// 400 for a value that is not a number.
    pub(crate) fn on_source(query: &[(String, String)]) -> Result<Self, ApiError> {
        let number = |name: &str| parse(name, parameter(query, name));
        Ok(Self {
            generation_match: number("ifSourceGenerationMatch")?,
            generation_not_match: number("ifSourceGenerationNotMatch")?,
            metageneration_match: number("ifSourceMetagenerationMatch")?,
            metageneration_not_match: number("ifSourceMetagenerationNotMatch")?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks them against the object; an object that does not exist has generation 0.
    pub(crate) fn check(&self, found: Option<Version>) -> Outcome {
        let generation = found.map_or(0, |found| found.generation);
        let metageneration = found.map(|found| found.metageneration);
        let differs = self.generation_match.is_some_and(|it| it != generation)
            || (self.metageneration_match.is_some() && self.metageneration_match != metageneration);
        let same = self.generation_not_match == Some(generation)
            || (self.metageneration_not_match.is_some()
                && self.metageneration_not_match == metageneration);
        match (differs, same) {
            (true, _) => Outcome::Fail,
            (false, true) => Outcome::Unchanged,
            (false, false) => Outcome::Hold,
        }
    }
}

fn parse(name: &str, value: Option<&str>) -> Result<Option<i64>, ApiError> {
    value
        .map(|text| {
            text.parse().map_err(|_| {
                ApiError::storage(
                    400,
                    "invalid",
                    format!("Invalid value '{text}' for {name}."),
                )
            })
        })
        .transpose()
}

/// 412 in storage's words.
pub(crate) fn failed() -> ApiError {
    ApiError::storage(
        412,
        "conditionNotMet",
        "At least one of the pre-conditions you specified did not hold.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conditions(query: &[(&str, &str)]) -> Preconditions {
        let query: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Preconditions::on_target(&query, &HeaderMap::new()).unwrap()
    }

    #[test]
    fn each_precondition_compares_its_own_number() {
        let found = Some(Version::of(
            &json!({"generation": "7", "metageneration": "2"}),
        ));
        for (name, value, of_existing, of_missing) in [
            ("ifGenerationMatch", "7", Outcome::Hold, Outcome::Fail),
            ("ifGenerationMatch", "8", Outcome::Fail, Outcome::Fail),
            ("ifGenerationMatch", "0", Outcome::Fail, Outcome::Hold),
            (
                "ifGenerationNotMatch",
                "7",
                Outcome::Unchanged,
                Outcome::Hold,
            ),
            (
                "ifGenerationNotMatch",
                "0",
                Outcome::Hold,
                Outcome::Unchanged,
            ),
            ("ifMetagenerationMatch", "2", Outcome::Hold, Outcome::Fail),
            ("ifMetagenerationMatch", "1", Outcome::Fail, Outcome::Fail),
            (
                "ifMetagenerationNotMatch",
                "2",
                Outcome::Unchanged,
                Outcome::Hold,
            ),
        ] {
            let conditions = conditions(&[(name, value)]);
            assert_eq!(conditions.check(found), of_existing, "{name}={value}");
            assert_eq!(conditions.check(None), of_missing, "{name}={value}");
        }
        let both = conditions(&[
            ("ifGenerationMatch", "8"),
            ("ifMetagenerationNotMatch", "2"),
        ]);
        assert_eq!(both.check(found), Outcome::Fail);
        assert!(conditions(&[("ifSourceGenerationMatch", "1")]).is_empty());
    }

    #[test]
    fn headers_of_the_xml_api_are_read_and_invalid_numbers_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-if-generation-match", "8".parse().unwrap());
        let conditions = Preconditions::on_target(&[], &headers).unwrap();
        assert_eq!(conditions.generation_match, Some(8));
        let query = [("ifGenerationMatch".to_owned(), "x".to_owned())];
        let error = Preconditions::on_target(&query, &HeaderMap::new()).unwrap_err();
        assert_eq!((error.code, error.message.contains("'x'")), (400, true));
    }
}
