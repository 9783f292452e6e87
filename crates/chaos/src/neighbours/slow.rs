//! Servers that do everything they should, and slowly.

use std::time::Duration;

use anyhow::Context;

use super::Part;
use super::watched::Watched;
use crate::bad_input::Case;
use crate::place::Weather;

/// Syncs take so much longer, in milliseconds: a disk that is busy, and one that nearly hangs.
const SYNCS: [&str; 2] = ["300", "2000"];

/// Half a second there and back is an ocean and a bad day; what is lost is held until it is sent again.
const WEATHER: Weather = Weather {
    delay: Duration::from_millis(250),
    rate: 256 << 10,
    holds: Some((Duration::from_secs(3), Duration::from_millis(400))),
};

/// Percent of one processor.
const SHARE: u64 = 2;

/// Each sync of the log takes long.
pub(super) async fn disk(case: &mut Case, part: Part) -> anyhow::Result<()> {
    for millis in SYNCS {
        let what = format!("disk with syncs of {millis} ms");
        let watched = Watched::begin(case, &what, part).await?;
        let at = watched.at();
        case.trial.servers.one(at).order("slow", millis)?;
        let during = watched.during(case, true).await;
        let words = ["has a slow disk", "iotop"];
        watched.named(case, &words).await?;
        case.trial.servers.one(at).order("slow", "0")?;
        watched.end(case, during, &words).await?;
    }
    Ok(())
}

/// What goes to a server and comes from it takes long, is held up, and is not much.
pub(super) async fn network(case: &mut Case, part: Part) -> anyhow::Result<()> {
    let watched = Watched::begin(case, "slow network", part).await?;
    let relays = |case: &Case, weather| {
        let relays = case.trial.servers.relays.as_ref().context("there are no relays")?;
        relays.set(watched.at(), weather);
        anyhow::Ok(())
    };
    relays(case, WEATHER)?;
    let during = watched.during(case, true).await;
    let words = ["links are slow", "there and back"];
    watched.named(case, &words).await?;
    relays(case, Weather::default())?;
    watched.end(case, during, &["slow", "there and back"]).await
}

/// A server gets next to no processor time.
pub(super) async fn processor(case: &mut Case, part: Part) -> anyhow::Result<()> {
    let watched = Watched::begin(case, "busy processor", part).await?;
    let share = |case: &mut Case, percent| {
        let cage = case.trial.servers.one(watched.at()).cage.as_ref();
        cage.context("there is no cage")?.processor(percent)
    };
    share(case, Some(SHARE))?;
    let during = watched.during(case, true).await;
    let words = ["lacks processor time"];
    watched.named(case, &words).await?;
    share(case, None)?;
    watched.end(case, during, &words).await
}
