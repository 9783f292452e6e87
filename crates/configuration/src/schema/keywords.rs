//! The words of a schema, and what may follow each.

use super::Dialect;

/// What a word is followed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// A schema.
    Schema,
    /// Schemas, at least one.
    Schemas,
    /// A schema, or several, as `items` was in older drafts.
    SchemaOrSchemas,
    /// Names, and a schema for each.
    Named,
    /// Patterns, and a schema for each.
    Patterned,
    /// Names, and a schema or names for each, as `dependencies` in draft 7.
    NamedOrNames,
    /// Names of types.
    Types,
    /// Any values.
    Values,
    /// Any value.
    Value,
    /// A number.
    Number,
    /// A number over 0.
    Positive,
    /// A whole number from 0 on.
    Count,
    /// Yes or no.
    Flag,
    /// A regular expression.
    Pattern,
    /// Names.
    Names,
    /// Names, and names for each.
    NamesByName,
    /// A place in this schema.
    Reference,
    /// What a place is called.
    Anchor,
    /// Anything: it is for people.
    Note,
}

/// What follows `word`; `None` if it is not known.
pub(super) fn shape(dialect: Dialect, word: &str) -> Option<Shape> {
    use Shape as S;
    let old = dialect != Dialect::Draft2020;
    Some(match word {
        "allOf" | "anyOf" | "oneOf" => S::Schemas,
        "prefixItems" if !old => S::Schemas,
        "items" if old => S::SchemaOrSchemas,
        "additionalItems" if old => S::Schema,
        "not"
        | "if"
        | "then"
        | "else"
        | "items"
        | "contains"
        | "additionalProperties"
        | "propertyNames" => S::Schema,
        "properties" | "$defs" | "definitions" | "dependentSchemas" => S::Named,
        "patternProperties" => S::Patterned,
        "dependencies" if dialect == Dialect::Draft7 => S::NamedOrNames,
        "type" => S::Types,
        "enum" => S::Values,
        "const" => S::Value,
        "multipleOf" => S::Positive,
        "maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum" => S::Number,
        "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties" | "minProperties"
        | "maxContains" | "minContains" => S::Count,
        "uniqueItems" => S::Flag,
        "pattern" => S::Pattern,
        "required" => S::Names,
        "dependentRequired" => S::NamesByName,
        "$ref" => S::Reference,
        "$anchor" => S::Anchor,
        "$schema" | "$id" | "$comment" | "title" | "description" | "default" | "examples"
        | "deprecated" | "readOnly" | "writeOnly" | "format" | "contentEncoding"
        | "contentMediaType" | "contentSchema" => S::Note,
        // What others put beside it for their own tools.
        word if word.starts_with("x-") => S::Note,
        _ => return None,
    })
}

/// Words that mean something elsewhere and nothing here.
pub(super) const UNSUPPORTED: [&str; 7] = [
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
];
