//! `/v1/query`: questions for a service that are written down, and asked by their name.

mod definition;
mod execute;

use serde_json::{Value, json};

use definition::Definition;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::home::uuid;
use super::kept::{Condition, Kept, Kind};
use super::problem::Problem;
use super::session::random;

const QUERIES: Kind = Kind("query");
/// How many there may be.
const QUERIES_KEPT: usize = 1_024;
/// Bytes of one: a name is searched by reading all.
const QUERY_BYTES: usize = 4 << 10;

fn not_found() -> Problem {
    Problem::not_found("Query not found")
}

fn shown(kept: Kept) -> Value {
    let mut value = kept.value;
    value["CreateIndex"] = kept.created.get().into();
    value["ModifyIndex"] = kept.modified.get().into();
    value
}

/// `GET /v1/query`
pub(super) async fn list(asked: &Asked) -> Outcome {
    let (found, meta) = QUERIES.all(asked, "").await?;
    Ok(Answer::json(&found.into_iter().map(shown).collect::<Vec<_>>()).at(meta))
}

fn definition(asked: &Asked) -> Result<Definition, Problem> {
    if asked.body.len() > QUERY_BYTES {
        let length = asked.body.len();
        return Err(Problem::too_large(format!(
            "a query of {length} bytes: at most {QUERY_BYTES}"
        )));
    }
    Definition::of(&asked.json()?)
}

/// Whether another query has the name already, and how many there are.
async fn look(asked: &Asked, id: &str, definition: &Definition) -> Result<usize, Problem> {
    let (all, _) = QUERIES.now(asked, "").await?;
    let is_taken = !definition.name.is_empty()
        && all.iter().any(|it| it.name != id && it.value["Name"] == definition.name);
    if is_taken {
        let name = &definition.name;
        return Err(Problem::failed(format!("name '{name}' aliases an existing query name")));
    }
    Ok(all.len())
}

/// `POST /v1/query`
pub(super) async fn create(asked: &Asked) -> Outcome {
    let definition = definition(asked)?;
    let id = uuid(random(asked));
    if look(asked, &id, &definition).await? >= QUERIES_KEPT {
        return Err(Problem::failed(format!("there are {QUERIES_KEPT} queries already")));
    }
    QUERIES.keep(asked, &id, &definition.shown(&id), Condition::Index(0)).await?;
    Ok(Answer::json(&json!({ "ID": id })))
}

/// `GET /v1/query/:id`, and what is done with one: `/execute` and `/explain`.
pub(super) async fn get(asked: &Asked) -> Outcome {
    let path = asked.name("query ID")?;
    match path.rsplit_once('/') {
        Some((name, "execute")) => execute::execute(asked, name).await,
        Some((name, "explain")) => {
            let query = named(asked, name).await?;
            Ok(Answer::json(&json!({ "Query": shown(query) })))
        }
        _ => {
            let (found, meta) = QUERIES.one(asked, &path).await?;
            Ok(Answer::json(&[shown(found.ok_or_else(not_found)?)]).at(meta))
        }
    }
}

/// `PUT /v1/query/:id`
pub(super) async fn update(asked: &Asked) -> Outcome {
    let id = asked.name("query ID")?;
    let definition = definition(asked)?;
    let known = QUERIES.one_now(asked, &id).await?.ok_or_else(not_found)?;
    look(asked, &id, &definition).await?;
    let condition = Condition::Index(known.modified.get().unsigned_abs());
    if !QUERIES.keep(asked, &id, &definition.shown(&id), condition).await? {
        return Err(Problem::failed("the query was changed by somebody else: try again"));
    }
    Ok(Answer::done())
}

/// `DELETE /v1/query/:id`
pub(super) async fn remove(asked: &Asked) -> Outcome {
    QUERIES.drop(asked, &asked.name("query ID")?, Condition::Always).await?;
    Ok(Answer::done())
}

/// The query of that id, or of that name.
async fn named(asked: &Asked, name: &str) -> Result<Kept, Problem> {
    if let Some(found) = QUERIES.one_now(asked, name).await? {
        return Ok(found);
    }
    let (all, _) = QUERIES.now(asked, "").await?;
    all.into_iter().find(|it| it.value["Name"] == *name).ok_or_else(not_found)
}
