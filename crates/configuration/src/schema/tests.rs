use proptest::prelude::*;
use serde_json::{Value, json};

use super::Schema;

fn told(schema: &Value, value: &Value) -> String {
    let schema = Schema::parse(&schema.to_string()).unwrap();
    let all = schema.violations(value).unwrap();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn refused(schema: &Value) -> String {
    Schema::parse(&schema.to_string()).unwrap_err().detail
}

/// A schema, values that it allows, values that it does not.
type Case = (Value, &'static [&'static str], &'static [&'static str]);

#[test]
fn every_word_does_what_the_standard_says() {
    let cases: Vec<Case> = vec![
        (json!(true), &["1", "{}"], &[]),
        (json!(false), &[], &["1", "{}"]),
        (json!({"type": "integer"}), &["1", "1.0", "-3"], &["1.5", "\"1\"", "null"]),
        (json!({"type": ["string", "null"]}), &["null", "\"\""], &["1", "[]"]),
        (
            json!({"enum": [1, "a", {"x": [2]}]}),
            &["1.0", "\"a\"", "{\"x\":[2.0]}"],
            &["2", "{\"x\":[]}"],
        ),
        (json!({"const": null}), &["null"], &["0", "false"]),
        (json!({"multipleOf": 0.0001}), &["0.0075", "1"], &["0.00751"]),
        (json!({"multipleOf": 3}), &["9", "-3", "0", "\"x\""], &["10"]),
        (json!({"minimum": 2, "exclusiveMaximum": 4}), &["2", "3.9"], &["1.9", "4"]),
        (json!({"maximum": 9007199254740993_u64}), &["9007199254740993"], &["9007199254740994"]),
        (
            json!({"minLength": 2, "maxLength": 3}),
            &["\"äö\"", "\"abc\"", "1"],
            &["\"a\"", "\"abcd\""],
        ),
        (json!({"pattern": "^a+$"}), &["\"aa\"", "1"], &["\"b\"", "\"aab\""]),
        (json!({"format": "email"}), &["\"no email\""], &[]),
        (
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "number"}, "maxItems": 3}),
            &["[]", "[\"a\"]", "[\"a\",1,2]"],
            &["[1]", "[\"a\",\"b\"]", "[\"a\",1,2,3]"],
        ),
        (json!({"contains": {"const": 1}}), &["[0,1]", "{}"], &["[]", "[2]"]),
        (
            json!({"contains": {"const": 1}, "minContains": 0, "maxContains": 1}),
            &["[]", "[1]"],
            &["[1,1]"],
        ),
        (
            json!({"uniqueItems": true}),
            &["[1,true,\"1\"]", "[[1],[2]]"],
            &["[1,1.0]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]"],
        ),
        (
            json!({"properties": {"a": {"type": "number"}}, "required": ["a"], "additionalProperties": false,
                   "patternProperties": {"^x-": true}}),
            &["{\"a\":1}", "{\"a\":1,\"x-b\":{}}", "[]"],
            &["{}", "{\"a\":\"1\"}", "{\"a\":1,\"b\":2}"],
        ),
        (
            json!({"propertyNames": {"maxLength": 2}, "minProperties": 1}),
            &["{\"ab\":1}"],
            &["{}", "{\"abc\":1}"],
        ),
        (json!({"dependentRequired": {"a": ["b"]}}), &["{}", "{\"a\":1,\"b\":1}"], &["{\"a\":1}"]),
        (
            json!({"dependentSchemas": {"a": {"maxProperties": 1}}}),
            &["{\"a\":1}", "{\"b\":1,\"c\":1}"],
            &["{\"a\":1,\"b\":1}"],
        ),
        (json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), &["2"], &["0", "4"]),
        (json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}), &["\"\"", "4"], &["1"]),
        (json!({"oneOf": [{"minimum": 1}, {"maximum": 3}]}), &["0", "4"], &["2"]),
        (json!({"not": {"type": "string"}}), &["1"], &["\"\""]),
        (
            json!({"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"minimum": 1}}),
            &["\"a\"", "1"],
            &["\"\"", "0"],
        ),
        (
            json!({"$defs": {"a/b": {"type": "number"}, 
                   "n": {"$anchor": "list", "items": {"$ref": "#list"}, "type": "array"}},
                   "properties": {"a": {"$ref": "#/$defs/a~1b"}, "l": {"$ref": "#list"}}}),
            &["{\"a\":1,\"l\":[[],[[]]]}"],
            &["{\"a\":\"\"}", "{\"l\":[[1]]}"],
        ),
        (
            json!({"$ref": "#/$defs/x", "maximum": 3, "$defs": {"x": {"minimum": 1}}}),
            &["2"],
            &["0", "4"],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/x",
                   "maximum": 3,
                   "definitions": {"x": {"minimum": 1}}}),
            &["2", "4"],
            &["0"],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"const": 1}],
                   "additionalItems": false, "dependencies": {"a": ["b"], "c": {"maxProperties": 1}}}),
            &["[1]", "{\"c\":1}"],
            &["[1,2]", "[2]", "{\"a\":1}", "{\"c\":1,\"d\":1}"],
        ),
    ];
    for (schema, good, bad) in cases {
        for text in good {
            assert_eq!(told(&schema, &serde_json::from_str(text).unwrap()), "", "{schema} {text}");
        }
        for text in bad {
            assert_ne!(told(&schema, &serde_json::from_str(text).unwrap()), "", "{schema} {text}");
        }
    }
}

#[test]
fn each_violation_is_told_with_its_place() {
    let schema = json!({
        "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {
            "name": {"type": "string"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "hosts": {"items": {"enum": ["a", "b"]}},
        }
    });
    let value = json!({"port": 70_000, "hosts": ["a", "c"], "prot": 1});
    assert_eq!(
        told(&schema, &value),
        "at /: the property \"name\" is missing; at /hosts/1: it is to be one of a, b; \
         at /port: it is to be at most 65535, and is 70000; at /prot: there is no such property"
    );
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (schema, words) in [
        (json!(1), "at /: a schema is an object"),
        (
            json!({"properties": {"a": {"type": "int"}}}),
            "at /properties/a/type: it is to be one or several",
        ),
        (json!({"requierd": []}), "\"requierd\" is no word of a schema"),
        (json!({"type": "object", "name": {}}), "belongs below \"properties\""),
        (json!({"unevaluatedProperties": false}), "is not supported here"),
        (json!({"$ref": "#/$defs/none"}), "there is nothing at"),
        (json!({"$ref": "https://example.com/s.json"}), "nothing is fetched"),
        (json!({"$ref": "file:///etc/passwd"}), "nothing is fetched"),
        (json!({"pattern": "("}), "at /pattern: the pattern"),
        (json!({"items": [{}]}), "at /items: a schema is an object"),
        (json!({"minLength": -1}), "a whole number"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), "known are the drafts"),
        (json!({"properties": {"a": {"$id": "x"}}}), "only the whole schema"),
    ] {
        let told = refused(&schema);
        assert!(told.starts_with("the schema ") && told.contains(words), "{told}");
    }
    assert!(Schema::parse("{").unwrap_err().detail.contains("is no JSON: EOF"));
    let deep = (0..120).fold(json!({}), |inner, _| json!({"not": inner}));
    assert!(
        refused(&deep).contains("nested deeper") || refused(&deep).contains("recursion"),
        "{}",
        refused(&deep)
    );
}

/// Schemas that never come to an end, or take for ever, are found out.
#[test]
fn circles_and_explosions_end() {
    let circle = Schema::parse(r##"{"$ref": "#"}"##).unwrap();
    assert!(circle.violations(&json!(1)).is_err());
    let double = |to: &str| json!({"anyOf": [{"$ref": to}, {"$ref": to}]});
    let mut defs = serde_json::Map::new();
    for at in 0..40 {
        defs.insert(format!("d{at}"), double(&format!("#/$defs/d{}", at + 1)));
    }
    defs.insert("d40".to_owned(), json!(false));
    let schema = json!({"$defs": defs, "$ref": "#/$defs/d0"});
    let schema = Schema::parse(&schema.to_string()).unwrap();
    assert!(schema.violations(&json!(1)).unwrap_err().detail.contains("takes too long"));
}

/// What is looked at once for every item, name or byte is counted for each: a schema and a content of a few
/// hundred KiB must not be at work for minutes.
#[test]
fn work_is_counted_by_what_is_looked_at() {
    let names = |many: usize| (0..many).map(|at| format!("n{at}")).collect::<Vec<_>>();
    let zeros = vec![0; 30_000];
    let long = "x".repeat(200_000);
    let wide: Value = names(20_000).into_iter().map(|name| (name, json!(1))).collect();
    let types: Vec<&str> = [vec!["null"; 30_000], vec!["integer"]].concat();
    let ints = json!({"type": "integer"});
    for (what, schema, value) in [
        ("const", json!({"items": {"const": zeros}}), json!(vec![&zeros; 100])),
        ("enum", json!({"items": {"enum": [zeros]}}), json!(vec![&zeros; 100])),
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
        ("texts", json!({"items": {"maxLength": 300_000}}), json!(vec![long.as_str(); 1_000])),
        ("patterns", json!({"items": {"pattern": "(a|b)*a(a|b){200}"}}), json!(vec![&long; 20])),
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

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("type"),
        Just("properties"),
        Just("items"),
        Just("$ref"),
        Just("anyOf"),
        Just("not"),
        Just("enum"),
        Just("required"),
        Just("pattern"),
        Just("minimum"),
        Just("a"),
        Just("$defs"),
        Just("#"),
        Just("#/a"),
        Just("object"),
        Just("uniqueItems"),
        Just("dependencies"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let pairs = prop::collection::vec((words.clone(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            pairs.prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(key, it)| (key.into(), it)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics(schema in any_json(), value in any_json()) {
        if let Ok(schema) = Schema::parse(&schema.to_string()) {
            drop(schema.violations(&value));
        }
    }
}
