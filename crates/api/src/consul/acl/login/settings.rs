//! What configurations of auth methods have in common.

use std::time::Duration;

use node::probe::Authorities;
use serde_json::Value;

use crate::consul::duration;
use crate::consul::input::Input;

/// Names or mappings in one list.
pub(super) const MOST: usize = 64;

/// The object, if it has these fields and no others.
pub(super) fn of<'a>(config: &'a Value, fields: &[&str]) -> Result<Input<'a>, String> {
    let Some(object) = config.as_object() else {
        return Err("Config is no object".to_owned());
    };
    let is_known = |name: &str| fields.iter().any(|field| field.eq_ignore_ascii_case(name));
    if let Some(unknown) = object.keys().find(|name| !is_known(name)) {
        return Err(format!("error decoding config: has invalid keys: {unknown}"));
    }
    Input::of(config).map_err(|problem| problem.text)
}

pub(super) fn text(input: &Input<'_>, field: &str) -> Result<String, String> {
    input.text(&[&field.to_lowercase()]).map(str::to_owned).map_err(|problem| problem.text)
}

pub(super) fn texts(input: &Input<'_>, field: &str) -> Result<Vec<String>, String> {
    let texts = input.texts(&[&field.to_lowercase()]).map_err(|problem| problem.text)?;
    if texts.len() > MOST {
        return Err(format!("at most {MOST} {field} are allowed"));
    }
    Ok(texts.iter().map(|it| it.to_string()).collect())
}

pub(super) fn pairs(input: &Input<'_>, field: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = input.pairs(&[&field.to_lowercase()]).map_err(|problem| problem.text)?;
    if pairs.len() > MOST {
        return Err(format!("at most {MOST} {field} are allowed"));
    }
    Ok(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

/// Seconds: nothing is the default, and less than nothing is nothing.
pub(super) fn leeway(input: &Input<'_>, field: &str, default: i64) -> Result<i64, String> {
    let wrong = || format!("{field} is no duration");
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let asked = match input.get(&[&field.to_lowercase()]) {
        None => 0,
        Some(Value::String(text)) => match text.strip_prefix('-') {
            Some(rest) => duration::parse(rest).map(|_| -1).ok_or_else(wrong)?,
            None if text.is_empty() => 0,
            None => duration::parse(text).map(seconds).ok_or_else(wrong)?,
        },
        Some(number) => match number.as_i64().ok_or_else(wrong)? {
            below @ i64::MIN..0 => below,
            nanos => nanos / 1_000_000_000,
        },
    };
    Ok(match asked {
        0 => default,
        asked => asked.max(0),
    })
}

/// Whose word for a server's certificate counts.
pub(super) fn authorities(input: &Input<'_>, field: &str) -> Result<Option<Authorities>, String> {
    match &*text(input, field)? {
        "" => Ok(None),
        pem => Authorities::in_pem(pem).map(Some).map_err(|why| format!("{field}: {why}")),
    }
}
