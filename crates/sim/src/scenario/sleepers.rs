//! Regions that are asked for something now and then, and sleep in between; one log holds all of them.

use types::RegionId;

use super::Settings;

pub(super) fn settings() -> Settings {
    Settings {
        regions: (2..6).map(RegionId).collect(),
        register_clients: 2,
        counter_clients: 1,
        lease_clients: 1,
        compactors: 0,
        think_micros: 1_800_000,
        ..Settings::default()
    }
}
