use super::*;

const EXAMPLE: &str = include_str!("../../testdata/example.yaml");

#[test]
fn the_example_of_the_design_is_legal() {
    let rules = Rules::parse(&[Source {
        file: "rules.yaml",
        text: EXAMPLE,
    }])
    .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rules.stack(), "prod");
    let again = Rules::parse(&[Source {
        file: "printed",
        text: rules.to_yaml(),
    }])
    .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rules, again);
}
