use super::*;
use crate::answer::golden;

const RULES: &str = include_str!("../../../../../webhook/testdata/rules.yaml");
const JOB: &str = include_str!("../../../../../webhook/testdata/objects/run-job.json");

fn options(user: &str) -> Simulate {
    Simulate {
        user: user.to_owned(),
        ..Simulate::default()
    }
}

fn file(text: &str) -> Vec<File> {
    vec![("job.yaml".to_owned(), text.to_owned())]
}

async fn simulated(user: &str, objects: Vec<Value>) -> Answer {
    let rules = RulesFiles::from([("rules.yaml".to_owned(), RULES.to_owned())]);
    let mut all = Vec::new();
    for draft in drafts(objects, None, "research").unwrap() {
        all.push(Decided {
            answer: decide(&options(user), &rules, &draft).await.unwrap(),
            draft,
            not_asked: None,
            unseen: None,
        });
    }
    answer(user, "52ed97ef1410", &all)
}

#[tokio::test]
async fn each_object_is_shown_with_the_account_or_the_reason_of_the_refusal() {
    let text = format!(
        "# a Job and what is no Job\n{JOB}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec: {{containers: []}}\n"
    );
    let objects = objects(&file(&text)).unwrap();
    assert_eq!(objects.len(), 2);
    let alice = simulated("alice@acme.com", objects.clone()).await;
    golden::check_as(
        "simulate",
        "simulate --as alice@acme.com -f job.yaml",
        &alice,
    );
    assert_eq!(alice.status, ExitStatus::Found);
    assert_eq!(
        alice
            .cases
            .iter()
            .filter(|case| case.found.is_empty())
            .count(),
        1
    );
    assert_eq!(alice.short.lines().count(), 2, "{}", alice.short);
    let job = simulated("alice@acme.com", objects[..1].to_vec()).await;
    assert_eq!(job.status, ExitStatus::Fine, "{}", job.text);
}

#[test]
fn the_namespace_is_the_objects_own_or_the_named_or_the_contexts() {
    let own = json!({"kind": "Job", "metadata": {"name": "a", "namespace": "own"}});
    let none = json!({"kind": "Job", "metadata": {"generateName": "a-"}});
    let namespace = |object: &Value, named| {
        let drafts = drafts(vec![object.clone()], named, "default");
        drafts.map(|drafts| drafts[0].namespace.clone())
    };
    assert_eq!(namespace(&own, None).unwrap(), "own");
    assert_eq!(namespace(&none, Some("named")).unwrap(), "named");
    assert_eq!(namespace(&none, None).unwrap(), "default");
    let failure = namespace(&own, Some("named")).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Job a is in namespace own, and -n names named"
    );
    assert_eq!(name(&none), "Job a-*");
}

#[test]
fn lists_are_read_one_by_one_and_what_is_no_yaml_is_a_usage_error() {
    let list = "apiVersion: v1\nkind: List\nitems: [{kind: A}, {kind: B}]\n---\n---\nkind: C\n";
    assert_eq!(objects(&file(list)).unwrap().len(), 3);
    for text in ["", "a: [", "\u{1b}[2J: {"] {
        let failure = objects(&file(text)).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::Usage, "{text:?}");
        assert!(!failure.to_string().contains(['\u{1b}', '\n']), "{failure}");
    }
}

#[test]
fn a_service_account_has_the_groups_that_the_api_server_gives_it() {
    assert_eq!(
        groups("system:serviceaccount:ci:runner", &[]),
        [
            "system:serviceaccounts",
            "system:serviceaccounts:ci",
            AUTHENTICATED
        ]
    );
    assert_eq!(groups("alice", &["ml".to_owned()]), ["ml", AUTHENTICATED]);
}
