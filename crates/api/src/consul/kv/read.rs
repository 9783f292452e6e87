use std::borrow::Cow;

use bytes::Bytes;
use types::KeyRange;

use super::{show, wait};
use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::problem::Problem;

/// `GET /v1/kv/:key`
pub(in crate::consul) async fn get(asked: &Asked) -> Outcome {
    let key = asked.key();
    if asked.parameters.flag("keys") {
        return keys(asked, &key).await;
    }
    let recurse = asked.parameters.flag("recurse");
    if !recurse && key.is_empty() {
        return Err(Problem::bad("Missing key name"));
    }
    let range = if recurse { KeyRange::prefix(&key) } else { KeyRange::single(&key) };
    let (found, meta) = wait::read(asked, range, !recurse, false).await?;
    let Some(first) = found.first() else { return Ok(missing().at(meta)) };
    if asked.parameters.flag("raw") && !recurse {
        let answer = Answer::bytes("application/octet-stream", first.value.clone());
        return Ok(answer.header("x-content-type-options", "nosniff").at(meta));
    }
    let shown: Vec<_> = found.iter().map(show::record).collect();
    Ok(Answer::json(&shown).at(meta))
}

fn missing() -> Answer {
    Answer::done().status(hyper::StatusCode::NOT_FOUND)
}

/// The names only; up to the next separator, if one is named.
async fn keys(asked: &Asked, prefix: &Bytes) -> Outcome {
    let parameters = &asked.parameters;
    let separator = parameters.get("separator").or_else(|| parameters.get("seperator"));
    let separator = separator.filter(|text| !text.is_empty()).map(str::as_bytes);
    let (found, meta) = wait::read(asked, KeyRange::prefix(prefix), false, true).await?;
    if found.is_empty() && !prefix.is_empty() {
        return Ok(missing().at(meta));
    }
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    for kv in &found {
        let key = &kv.key;
        let end = separator.and_then(|separator| {
            let below = &key[prefix.len()..];
            let at = below.windows(separator.len()).position(|it| it == separator)?;
            Some(prefix.len() + at + separator.len())
        });
        let name = String::from_utf8_lossy(&key[..end.unwrap_or(key.len())]);
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    Ok(Answer::json(&names).at(meta))
}
