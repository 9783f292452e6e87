use std::io::Write;

use serde_json::Value;

use crate::cli::output::{Format, line, out};
use crate::cli::table::Table;

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The names in a list of links or identities.
fn names(value: &Value, field: &str, name: &str) -> String {
    let all = value[field].as_array().into_iter().flatten();
    all.map(|it| text(it, name)).collect::<Vec<_>>().join(",")
}

/// All that a token or a role has.
fn linked(value: &Value) -> String {
    let parts = [
        names(value, "Policies", "Name"),
        prefixed("role:", &names(value, "Roles", "Name")),
        prefixed("service:", &names(value, "ServiceIdentities", "ServiceName")),
        prefixed("node:", &names(value, "NodeIdentities", "NodeName")),
        templates(value),
    ];
    let parts: Vec<&String> = parts.iter().filter(|part| !part.is_empty()).collect();
    parts.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ")
}

fn templates(value: &Value) -> String {
    let all = value["TemplatedPolicies"].as_array().into_iter().flatten();
    let named = all.map(|it| match text(&it["TemplateVariables"], "name") {
        "" => text(it, "TemplateName").to_owned(),
        name => format!("{}:{name}", text(it, "TemplateName")),
    });
    named.collect::<Vec<_>>().join(",")
}

fn prefixed(prefix: &str, names: &str) -> String {
    if names.is_empty() { String::new() } else { format!("{prefix}{names}") }
}

fn fields(rows: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut out = out();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:width$}  {value}")?;
    }
    out.flush()?;
    Ok(())
}

pub(super) fn token(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    fields(&[
        ("accessor id", text(value, "AccessorID")),
        ("secret id", text(value, "SecretID")),
        ("description", text(value, "Description")),
        ("may", &linked(value)),
        ("made", text(value, "CreateTime")),
        ("by", text(value, "AuthMethod")),
        ("ends", text(value, "ExpirationTime")),
    ])
}

pub(super) fn tokens(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    let mut table = Table::new(&["ACCESSOR ID", "MAY", "ENDS", "DESCRIPTION"]);
    for it in value.as_array().into_iter().flatten() {
        let cells = [text(it, "AccessorID"), &linked(it), text(it, "ExpirationTime")];
        let description = text(it, "Description");
        table.row(cells.into_iter().chain([description]).map(|cell| match cell {
            "" => "-".to_owned(),
            cell => cell.escape_debug().to_string(),
        }));
    }
    let mut out = out();
    table.print(&mut out)?;
    Ok(out.flush()?)
}

pub(super) fn policy(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    fields(&[
        ("id", text(value, "ID")),
        ("name", text(value, "Name")),
        ("description", text(value, "Description")),
    ])?;
    let mut out = out();
    writeln!(out, "rules\n{}", text(value, "Rules").trim_end())?;
    Ok(out.flush()?)
}

pub(super) fn role(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    fields(&[
        ("id", text(value, "ID")),
        ("name", text(value, "Name")),
        ("description", text(value, "Description")),
        ("may", &linked(value)),
    ])
}

/// Policies or roles.
pub(super) fn list(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    let mut table = Table::new(&["ID", "NAME", "DESCRIPTION"]);
    for it in value.as_array().into_iter().flatten() {
        let cells = ["ID", "Name", "Description"].map(|field| text(it, field));
        table.row(cells.map(|cell| cell.escape_debug().to_string()));
    }
    let mut out = out();
    table.print(&mut out)?;
    Ok(out.flush()?)
}

pub(super) fn method(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    fields(&[
        ("name", text(value, "Name")),
        ("type", text(value, "Type")),
        ("description", text(value, "Description")),
        ("tokens end after", text(value, "MaxTokenTTL")),
    ])?;
    let mut out = out();
    writeln!(out, "configuration\n{:#}", value["Config"])?;
    Ok(out.flush()?)
}

pub(super) fn methods(value: &Value, format: Format) -> anyhow::Result<()> {
    rows(value, format, &["NAME", "TYPE", "TOKENS END AFTER", "DESCRIPTION"], |it| {
        ["Name", "Type", "MaxTokenTTL", "Description"].map(|field| text(it, field))
    })
}

pub(super) fn rule(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    fields(&[
        ("id", text(value, "ID")),
        ("method", text(value, "AuthMethod")),
        ("makes", text(value, "BindType")),
        ("named", text(value, "BindName")),
        ("of", text(value, "Selector")),
        ("description", text(value, "Description")),
    ])
}

pub(super) fn rules(value: &Value, format: Format) -> anyhow::Result<()> {
    rows(value, format, &["ID", "METHOD", "MAKES", "NAMED", "OF"], |it| {
        ["ID", "AuthMethod", "BindType", "BindName", "Selector"].map(|field| text(it, field))
    })
}

/// A list, one thing a line.
fn rows<const N: usize>(
    value: &Value,
    format: Format,
    heads: &'static [&'static str; N],
    cells: impl Fn(&Value) -> [&str; N],
) -> anyhow::Result<()> {
    if format == Format::Json {
        return line(&mut out(), value);
    }
    let mut table = Table::new(heads);
    for it in value.as_array().into_iter().flatten() {
        table.row(cells(it).map(|cell| match cell {
            "" => "-".to_owned(),
            cell => cell.escape_debug().to_string(),
        }));
    }
    let mut out = out();
    table.print(&mut out)?;
    Ok(out.flush()?)
}

pub(super) fn done(value: &Value, format: Format) -> anyhow::Result<()> {
    if format == Format::Json { line(&mut out(), value) } else { Ok(()) }
}
