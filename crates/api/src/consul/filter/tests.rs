use proptest::prelude::*;
use serde_json::{Value, json};

use super::shape::{HEALTH_CHECK, SERVICE_ENTRY, SERVICE_NODE, Shape};
use super::{BYTES, COMPARISONS, DEPTH, Filter, PATTERNS};

fn entry() -> Value {
    json!({
        "Node": {
            "ID": "", "Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1",
            "TaggedAddresses": {"lan": "10.0.0.1"}, "Meta": {"rack": "r 1", "empty": ""},
        },
        "Service": {
            "ID": "web-1", "Service": "web", "Tags": ["v1", "prod"], "Address": "", "Port": 8080,
            "TaggedAddresses": {"wan": {"Address": "1.2.3.4", "Port": 80}},
            "Meta": {"version-x": "1.2", "a.b": "dots"}, "Weights": {"Passing": 10, "Warning": 1},
            "EnableTagOverride": false,
        },
        "Checks": [
            {"CheckID": "serfHealth", "Status": "passing", "ServiceTags": []},
            {"CheckID": "service:web-1", "Status": "warning", "Output": "line one\nline two",
             "ServiceTags": ["v1"]},
        ],
    })
}

fn on(text: &str, shape: &'static Shape, element: &Value) -> Result<bool, String> {
    let filter = Filter::parse(text, shape).map_err(|error| error.to_string())?;
    Ok(filter.matches(element))
}

/// What go-bexpr says to each of these, where the module's text names no difference.
#[test]
fn expressions_mean_what_they_mean_for_consul() {
    let transcript = include_str!("../../../testdata/filters.txt");
    let mut seen = 0;
    for line in transcript.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (verdict, text) = line.split_once('\t').unwrap();
        let found = match on(text, &SERVICE_ENTRY, &entry()) {
            Ok(true) => "yes",
            Ok(false) => "no",
            Err(_) => "error",
        };
        assert_eq!(found, verdict, "{text}: {:?}", on(text, &SERVICE_ENTRY, &entry()));
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn an_empty_expression_takes_everything() {
    assert_eq!(on("", &SERVICE_ENTRY, &entry()), Ok(true));
    assert_eq!(on("", &SERVICE_ENTRY, &Value::Null), Ok(true));
}

#[test]
fn what_is_left_out_has_its_empty_value() {
    for (text, expected) in [
        (r#"ServiceKind == """#, true),
        ("ServicePort == 0", true),
        ("ServicePort != 0", false),
        ("ServiceEnableTagOverride == false", true),
        ("ServiceTags is empty", true),
        (r#""" in ServiceTags"#, false),
        ("v1 not in ServiceTags", true),
        ("ServiceMeta is empty", true),
        ("ServiceMeta.a == b", false),
        ("ServiceMeta.a != b", true),
        ("ServiceWeights.Passing == 0", true),
        ("ServiceProxy.Upstreams.Datacenter == dc1", false),
        ("ServiceProxy.Upstreams.Datacenter != dc1", false),
    ] {
        for element in [json!({}), Value::Null, json!({"ServiceTags": null, "ServiceMeta": null})] {
            assert_eq!(on(text, &SERVICE_NODE, &element), Ok(expected), "{text}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expected) in [
        (" ", "at character 2: a comparison was expected here"),
        ("Service.Port = 80", "at character 14: '=' begins nothing that is known here"),
        ("Servce.Port == 80", r#"at character 1: Selector "Servce" is not valid"#),
        ("é", "at character 1: 'é' begins nothing that is known here"),
        (
            r#"Node.Meta["ü"] == x and Node.X == 1"#,
            r#"at character 25: Selector "Node.X" is not valid"#,
        ),
        (
            "Service.Port == eighty",
            r#"at character 1: Failed to coerce value "eighty" for selector "Service.Port""#,
        ),
        (
            "Service.Tags == v1",
            r#"at character 1: Invalid match operator "Equal" for selector "Service.Tags""#,
        ),
        ("Service.ID matches `(`", "Failed to compile regular expression"),
        ("Service.ID matches `(\\w{1000}){1000}`", "size limit"),
        ("(Service.Port == 80", "at character 20: Unmatched parentheses"),
        ("Service.Port == 80)", "at character 19: Unmatched parentheses"),
        ("Service.Port == 80 Node.Node == n", "at character 20: and, or, or the end was expected"),
        ("Service.ID == \"x", "at character 15: Unterminated string literal"),
        ("Node.Address == 10.0.0.1", "at character 17: Invalid number literal"),
        ("Node.Meta[x] == 1", "at character 10: Invalid index"),
        ("Node.Meta[\"x\" == 1", "at character 10: Unclosed index"),
        ("Node.Node", "at character 10: an operator is missing"),
        ("x in \"y\"", "at character 6: Invalid selector"),
        ("Node.Node == (", "at character 14: a value was expected"),
        (r#"Node.Node == "a\q""#, "at character 16: an escape that is not known"),
    ] {
        let error = on(text, &SERVICE_ENTRY, &entry()).unwrap_err();
        assert!(error.starts_with("Failed to create boolean expression evaluator: "), "{error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn everything_is_bounded() {
    let told = |text: &str| on(text, &HEALTH_CHECK, &json!({"Status": "passing"}));
    let is = "Status==passing";

    let nested = |levels| format!("{}{is}{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(told(&nested(DEPTH - 1)), Ok(true));
    assert!(told(&nested(DEPTH)).unwrap_err().contains("levels deep"));
    let negated = |levels| format!("{}{is}", "not ".repeat(levels));
    assert_eq!(told(&negated(DEPTH - 1)), Ok(false));
    for text in [negated(DEPTH), negated(1_900), "(".repeat(BYTES), "not(".repeat(2_000)] {
        assert!(told(&text).is_err());
    }

    let many = |count, operator| vec![is; count].join(operator);
    assert_eq!(told(&many(COMPARISONS, " and ")), Ok(true));
    assert!(told(&many(COMPARISONS + 1, " or ")).unwrap_err().contains("comparisons"));
    let patterns = |count| vec!["Status matches p"; count].join(" and ");
    assert_eq!(told(&patterns(PATTERNS)), Ok(true));
    assert!(told(&patterns(PATTERNS + 1)).unwrap_err().contains("patterns"));

    let long = format!("Status != \"{}\"", "x".repeat(BYTES));
    assert!(told(&long).unwrap_err().contains("more than 8192"));
}

proptest! {
    /// Whatever comes is an expression or an error, and an expression takes any JSON.
    #[test]
    fn garbage_is_answered(
        text in any::<String>(),
        pieces in proptest::collection::vec(prop_oneof![
            Just("Service.Meta[\"a\"]"), Just("Checks.Status"), Just("not"), Just("in"), Just("is"),
            Just("empty"), Just("and"), Just("or"), Just("("), Just(")"), Just("=="), Just("!="),
            Just("matches"), Just("contains"), Just("`a.*`"), Just("\"\\x61\""), Just("80"), Just("-"),
            Just("Service.Port"), Just("Service.Tags"), Just("["), Just("\""), Just("\\"), Just("é"),
        ], 0..12),
    ) {
        for text in [text, pieces.join(" "), pieces.concat()] {
            if let Ok(filter) = Filter::parse(&text, &SERVICE_ENTRY) {
                for element in [entry(), Value::Null, json!([1]), json!({"Checks": {"Status": 1}})] {
                    let _ = filter.matches(&element);
                }
            }
        }
    }

    /// A turned-round operator says the opposite wherever no list is on the way.
    #[test]
    fn a_turned_operator_is_the_opposite(value in "[a-z0-9.]{0,3}", meta in "[a-c]") {
        for (plain, turned) in [
            (format!("Node.Meta.{meta} == `{value}`"), format!("Node.Meta.{meta} != `{value}`")),
            (format!("`{value}` in Service.Tags"), format!("Service.Tags not contains `{value}`")),
            (format!("Service.ID matches `{value}`"), format!("Service.ID not matches `{value}`")),
            (format!("Node.Meta.{meta} is empty"), format!("Node.Meta.{meta} is not empty")),
        ] {
            let plainly = on(&plain, &SERVICE_ENTRY, &entry()).unwrap();
            prop_assert_eq!(on(&turned, &SERVICE_ENTRY, &entry()), Ok(!plainly));
            prop_assert_eq!(on(&format!("not ({plain})"), &SERVICE_ENTRY, &entry()), Ok(!plainly));
        }
    }
}
