//! `/v1/query`: questions for a service that are written down, and asked by their name.

mod definition;
mod execute;

use serde_json::{Value, json};
use state::auth::acl::{Access, Resource};

use definition::Definition;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::home::uuid;
use super::kept::{Condition, Kept, Kind, change, compare, delete, field, put};
use super::problem::Problem;
use super::session::random;

const QUERIES: Kind = Kind("query", |it| Some(Resource::Query(field(it, "Name"))));
/// By name, the id of the query that has it.
const NAMES: Kind = Kind("query-name", |_| None);
/// How many there may be.
const QUERIES_KEPT: usize = 1_024;
/// Bytes of one: they are listed all together.
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

fn name_of(query: &Kept) -> &str {
    query.value["Name"].as_str().unwrap_or_default()
}

fn taken(name: &str) -> Problem {
    Problem::failed(format!("name '{name}' aliases an existing query name"))
}

/// `POST /v1/query`
pub(super) async fn create(asked: &Asked) -> Outcome {
    let definition = definition(asked)?;
    let id = uuid(random(asked));
    if QUERIES.count(asked, "").await? >= QUERIES_KEPT {
        return Err(Problem::failed(format!("there are {QUERIES_KEPT} queries already")));
    }
    if !keep(asked, &id, &definition, None).await? {
        return Err(taken(&definition.name));
    }
    Ok(Answer::json(&json!({ "ID": id })))
}

/// Keeps a query in the place of the one that is known, with its name, which nobody else may have: of two
/// at once, one does not get it. Answers whether it was so.
async fn keep(
    asked: &Asked,
    id: &str,
    definition: &Definition,
    known: Option<&Kept>,
) -> Result<bool, Problem> {
    let (query, name) = (QUERIES.key(id), definition.name.as_str());
    let shown = definition.shown(id);
    QUERIES.must_change(asked, &shown).await?;
    if let Some(known) = known {
        QUERIES.must_change(asked, &known.value).await?;
    }
    let index = known.map_or(0, |it| it.modified.get().unsigned_abs());
    let mut conditions = compare(&query, Condition::Index(index));
    let mut ops = vec![put(query, &shown)];
    let before = known.map(name_of).unwrap_or_default();
    if before != name {
        if !before.is_empty() {
            ops.push(delete(&NAMES.key(before)));
        }
        if !name.is_empty() {
            let key = NAMES.key(name);
            conditions.extend(compare(&key, Condition::Index(0)));
            ops.push(put(key, &json!({ "ID": id })));
        }
    }
    change(asked, conditions, ops).await
}

/// `GET /v1/query/:id`, and what is done with one: `/execute` and `/explain`.
pub(super) async fn get(asked: &Asked) -> Outcome {
    let path = asked.name("query ID")?;
    match path.rsplit_once('/') {
        Some((name, "execute")) => execute::execute(asked, name).await,
        Some((name, "explain")) => {
            let query = named(asked, name).await?;
            asked.need(Resource::Query(name_of(&query)), Access::Read).await?;
            Ok(Answer::json(&json!({ "Query": shown(query) })))
        }
        _ => {
            let (found, meta) = QUERIES.one(asked, &path).await?;
            if found.is_none() && meta.filtered {
                return Err(Problem::denied(format!(
                    "Permission denied: the token lacks permission 'query:read' on {path:?}"
                )));
            }
            Ok(Answer::json(&[shown(found.ok_or_else(not_found)?)]).at(meta))
        }
    }
}

/// `PUT /v1/query/:id`
pub(super) async fn update(asked: &Asked) -> Outcome {
    let id = asked.name("query ID")?;
    let definition = definition(asked)?;
    let known = QUERIES.known(asked, &id).await?.ok_or_else(not_found)?;
    if keep(asked, &id, &definition, Some(&known)).await? {
        return Ok(Answer::done());
    }
    let name = &definition.name;
    match holder(asked, name).await? {
        Some(other) if other != id => Err(taken(name)),
        _ => Err(Problem::failed("the query was changed by somebody else: try again")),
    }
}

/// `DELETE /v1/query/:id`
pub(super) async fn remove(asked: &Asked) -> Outcome {
    let id = asked.name("query ID")?;
    let Some(known) = QUERIES.known(asked, &id).await? else { return Ok(Answer::done()) };
    QUERIES.must_change(asked, &known.value).await?;
    let key = QUERIES.key(&id);
    let index = known.modified.get().unsigned_abs();
    let mut ops = vec![delete(&key)];
    if !name_of(&known).is_empty() {
        ops.push(delete(&NAMES.key(name_of(&known))));
    }
    if !change(asked, compare(&key, Condition::Index(index)), ops).await? {
        return Err(Problem::failed("the query was changed by somebody else: try again"));
    }
    Ok(Answer::done())
}

/// The id of the query that has a name.
async fn holder(asked: &Asked, name: &str) -> Result<Option<String>, Problem> {
    if name.is_empty() {
        return Ok(None);
    }
    let found = NAMES.known(asked, name).await?;
    Ok(found.and_then(|it| it.value["ID"].as_str().map(str::to_owned)))
}

/// The query of that id, or of that name, for who may read what it finds. Those without a name have none to
/// be asked by.
async fn named(asked: &Asked, name: &str) -> Result<Kept, Problem> {
    if let Some(found) = QUERIES.known(asked, name).await? {
        return Ok(found);
    }
    let id = holder(asked, name).await?.ok_or_else(not_found)?;
    QUERIES.known(asked, &id).await?.ok_or_else(not_found)
}
