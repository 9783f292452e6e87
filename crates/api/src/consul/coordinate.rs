//! `/v1/coordinate`: where nodes say they are in a space of round trips. Servers of this kind measure none
//! and stand at its origin; what nodes report is kept and given back, and sorts nothing.

use serde_json::{Value, json};
use state::auth::acl::Resource;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::input::Input;
use super::kept::{Condition, Kind, field};
use super::problem::Problem;

const COORDINATES: Kind = Kind("coordinate", |it| Some(Resource::Node(field(it, "Node"))));
/// Dimensions of Consul's space.
const DIMENSIONS: usize = 8;

/// What an agent of Consul's says before it measured anything.
fn origin() -> Value {
    json!({ "Vec": vec![0.0; DIMENSIONS], "Error": 1.5, "Adjustment": 0.0, "Height": 0.000_01 })
}

/// `GET /v1/coordinate/datacenters`
pub(super) async fn datacenters(asked: &Asked) -> Outcome {
    let datacenter = asked.home.datacenter();
    let directory = asked.handle().directory();
    let servers = directory.nodes.values().map(|it| {
        json!({ "Node": format!("{}.{datacenter}", it.name), "Segment": "", "Coord": origin() })
    });
    let servers: Vec<Value> = servers.collect();
    Ok(Answer::json(&json!([
        { "Datacenter": datacenter, "AreaID": "wan", "Coordinates": servers }
    ])))
}

/// `GET /v1/coordinate/nodes`
pub(super) async fn nodes(asked: &Asked) -> Outcome {
    let (found, meta) = COORDINATES.all(asked, "").await?;
    Ok(Answer::json(&found.into_iter().map(|it| it.value).collect::<Vec<_>>()).at(meta))
}

/// `GET /v1/coordinate/node/:node`
pub(super) async fn node(asked: &Asked) -> Outcome {
    let (found, meta) = COORDINATES.one(asked, &asked.name("node name")?).await?;
    Ok(match found {
        Some(it) => Answer::json(&[it.value]).at(meta),
        None => Answer::done().status(hyper::StatusCode::NOT_FOUND).at(meta),
    })
}

/// `PUT /v1/coordinate/update`
pub(super) async fn update(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let name = input.text(&["node"])?;
    if name.is_empty() {
        return Err(Problem::bad("Missing node name"));
    }
    let Some(coordinate) = input.object(&["coord"])? else {
        return Err(Problem::bad("invalid coordinate"));
    };
    let number =
        |field| coordinate.get(&[field]).and_then(Value::as_f64).filter(|it| it.is_finite());
    let numbers: Option<Vec<f64>> = coordinate.list(&["vec"])?.iter().map(Value::as_f64).collect();
    let (Some(vec), Some(error), Some(adjustment), Some(height)) = (
        numbers.filter(|numbers| numbers.len() == DIMENSIONS),
        number("error"),
        number("adjustment"),
        number("height"),
    ) else {
        return Err(Problem::bad("invalid coordinate"));
    };
    let value = json!({
        "Node": name,
        "Segment": input.text(&["segment"])?,
        "Coord": { "Vec": vec, "Error": error, "Adjustment": adjustment, "Height": height },
    });
    COORDINATES.keep(asked, name, &value, Condition::Always).await?;
    Ok(Answer::done())
}
