//! One ordered keyspace in one region, and many clients on few keys.

use super::Settings;

pub(super) fn settings() -> Settings {
    Settings::default()
}
