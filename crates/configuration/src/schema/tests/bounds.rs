//! What schemas and contents cost at most.

use serde_json::{Value, json};

use super::super::Schema;
use super::{refused, told};

/// What is looked at once for every item, name or byte is counted for each: a schema and a content of a few
/// hundred KiB must not be at work for minutes.
#[test]
fn work_is_counted_by_what_is_looked_at() {
    let names = |many: usize| (0..many).map(|at| format!("n{at}")).collect::<Vec<_>>();
    let zeros = vec![0; 30_000];
    let long = "x".repeat(200_000);
    let wide: Value = names(20_000).into_iter().map(|name| (name, json!(1))).collect();
    let often = |times: usize, schema: &Value| {
        let all = vec![json!({"$ref": "#/$defs/it"}); times];
        json!({"$defs": {"it": schema}, "allOf": all})
    };
    let types: Vec<&str> = [vec!["null"; 30_000], vec!["integer"]].concat();
    let ints = json!({"type": "integer"});
    for (what, schema, value) in [
        ("const", often(100, &json!({"const": zeros})), json!(zeros)),
        ("enum", often(100, &json!({"enum": [zeros]})), json!(zeros)),
        ("type", json!({"items": {"type": types}}), json!(vec![1; 100])),
        (
            "required",
            json!({"items": {"required": vec!["a"; 30_000]}}),
            json!(vec![json!({"a": 1}); 100]),
        ),
        (
            "dependencies",
            json!({"items": {"dependentRequired":
                names(10_000).iter().map(|it| (it.clone(), json!([]))).collect::<Value>()}}),
            json!(vec![json!({}); 201]),
        ),
        (
            "places",
            json!({"additionalProperties": {"additionalProperties": ints}}),
            json!({long.as_str(): wide}),
        ),
        ("texts", often(1_000, &json!({"maxLength": 300_000})), json!(long)),
        ("patterns", often(20, &json!({"pattern": "(a|b)*a(a|b){200}|x"})), json!(long)),
        (
            "references",
            json!({"$defs": {"x".repeat(2_000): true},
                   "items": {"$ref": format!("#/$defs/{}", "x".repeat(2_000))}}),
            json!(vec![1; 10_000]),
        ),
    ] {
        let schema = Schema::parse(&schema.to_string()).unwrap_or_else(|it| panic!("{what}: {it}"));
        match schema.violations(&value) {
            Err(fault) => assert!(fault.detail.contains("takes too long"), "{what}: {fault}"),
            Ok(found) => panic!("{what}: {} found", found.len()),
        }
    }
    // A content as people have it is far from that.
    let schema = json!({"items": {"properties": {"name": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "port": ints, "zone": {"enum": ["eu", "us", "ap"]}}, "required": ["name", "port"]}});
    let one = json!({"name": "some-service-17", "port": 80, "zone": "ap"});
    assert_eq!(told(&schema, &json!(vec![one; 10_000])), "");
}

#[test]
fn patterns_and_places_of_a_schema_are_bounded_together() {
    let patterns = |all: Vec<String>| {
        let all: serde_json::Map<_, _> = all.into_iter().map(|it| (it, json!(true))).collect();
        json!({"patternProperties": all})
    };
    let small = |many: usize| patterns((0..many).map(|at| format!("^a{at}$")).collect());
    assert!(Schema::parse(&small(256).to_string()).is_ok());
    assert!(refused(&small(257)).contains("256 patterns at most"));
    let large = patterns((0..40).map(|at| format!(r"^\p{{L}}{{0,10}}{at}$")).collect());
    assert!(refused(&large).contains("too large together"), "{}", refused(&large));
    let long = json!({"properties": {"x".repeat(2_100): {"$anchor": "a"}}});
    assert!(refused(&long).contains("2048 bytes together"));
}

/// As deep as both can be, on the stack that a thread has.
#[test]
fn deep_schemas_over_deep_values_end() {
    let value = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
    for words in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"anyOf": [{"$ref": "#"}]}]}),
        json!({"if": {"not": {"oneOf": [{"$ref": "#"}, false]}}, "else": {"$ref": "#"}}),
        json!({"dependentSchemas": {"a": {"patternProperties": {"a": {"$ref": "#"}}}}}),
    ] {
        let schema = json!({"additionalProperties": words, "uniqueItems": true}).to_string();
        // Whether it is too much differs; that it ends does not.
        drop(Schema::parse(&schema).unwrap().violations(&value));
    }
}
