//! The rules of the stack, as they are in the cluster.

use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::names;
use namesake_core::Rules;
use namesake_service::{RulesFiles, parse_and_test_rules, parse_rules, rules_files};

use crate::answer::failure::Failure;
use crate::answer::text::plain;
use crate::cluster::connect::Session;

/// The rules as written; while they are not valid or fail their own tests, those that the broker accepted last.
pub(crate) async fn rules(session: &Session) -> Result<Rules, Failure> {
    Ok(files(session).await?.1)
}

/// The same with the files that they are in.
pub(crate) async fn files(session: &Session) -> Result<(RulesFiles, Rules), Failure> {
    let mut why = "there are none".to_owned();
    for name in [names::RULES_CONFIG_MAP, names::ACCEPTED_RULES_CONFIG_MAP] {
        let map = session.at_home::<ConfigMap>().get_opt(name).await;
        let map = map.map_err(Failure::to(format!(
            "read ConfigMap {}/{name}",
            session.home
        )))?;
        let Some(map) = map else { continue };
        let files = rules_files(map.data.as_ref());
        let rules = match name {
            names::RULES_CONFIG_MAP => parse_and_test_rules(&files).map_err(|why| why.to_string()),
            _ => parse_rules(&files).map_err(|why| why.to_string()),
        };
        match rules {
            Ok(rules) => return Ok((files, rules)),
            Err(problems) => why = problems,
        }
    }
    Err(Failure::Refused {
        what: format!("read the rules in {}", session.home),
        why: plain(&why),
    })
}

/// The name of the stack, as the rules say it.
pub(crate) async fn stack_name(session: &Session) -> Result<String, Failure> {
    Ok(rules(session).await?.stack().to_owned())
}
