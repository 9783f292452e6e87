use proptest::prelude::*;
use serde_json::{Value, json};

use super::Schema;

mod bounds;

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
