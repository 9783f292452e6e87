//! `/v1/operator/autopilot/configuration`: what operators wrote down for Consul's autopilot. Tools read it
//! and change it at an index; nothing here acts by it, since no server is ever removed or promoted by itself.

use serde_json::{Value, json};
use state::auth::acl::Resource;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::duration;
use super::input::Input;
use super::kept::{Condition, Kind};
use super::problem::Problem;

const SETTINGS: Kind = Kind("autopilot", |_| Some(Resource::Operator));

/// Consul's own, where nobody set any.
fn defaults() -> Value {
    json!({
        "CleanupDeadServers": true,
        "LastContactThreshold": "200ms",
        "MaxTrailingLogs": 250,
        "MinQuorum": 0,
        "ServerStabilizationTime": "10s",
        "RedundancyZoneTag": "",
        "DisableUpgradeMigration": false,
        "UpgradeVersionTag": "",
    })
}

/// `GET /v1/operator/autopilot/configuration`
pub(super) async fn configuration(asked: &Asked) -> Outcome {
    let (found, meta) = SETTINGS.one(asked, "").await?;
    let (mut value, created, modified) = found
        .map_or_else(|| (defaults(), 0, 0), |it| (it.value, it.created.get(), it.modified.get()));
    value["CreateIndex"] = created.into();
    value["ModifyIndex"] = modified.into();
    Ok(Answer::json(&value).at(meta))
}

/// `PUT /v1/operator/autopilot/configuration`, with `?cas=` only if it was last changed at that index. What
/// is not said is zero, as in Consul.
pub(super) async fn configure(asked: &Asked) -> Outcome {
    let body = asked.json()?;
    let input = Input::of(&body)?;
    let time = |name: &str| -> Result<String, Problem> {
        Ok(duration::format(input.duration(&[name])?.unwrap_or_default()))
    };
    let settings = json!({
        "CleanupDeadServers": input.truth(&["cleanupdeadservers"])?,
        "LastContactThreshold": time("lastcontactthreshold")?,
        "MaxTrailingLogs": input.number(&["maxtrailinglogs"], u64::MAX)?,
        "MinQuorum": input.number(&["minquorum"], u64::from(u32::MAX))?,
        "ServerStabilizationTime": time("serverstabilizationtime")?,
        "RedundancyZoneTag": input.text(&["redundancyzonetag"])?,
        "DisableUpgradeMigration": input.truth(&["disableupgrademigration"])?,
        "UpgradeVersionTag": input.text(&["upgradeversiontag"])?,
    });
    let condition = asked.parameters.number("cas")?.map_or(Condition::Always, Condition::Index);
    Ok(Answer::json(&SETTINGS.keep(asked, "", &settings, condition).await?))
}
