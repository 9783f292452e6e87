//! Nobody who is silent is kept beyond its limit, once nothing is in the way: its time to live as often
//! as it may fail, the grace of a new leader, and as many windows of the breaker as its service needs.

use state::registry::deadlines::Settings;
use state::registry::{CheckKey, DEFAULT_NAMESPACE, Registry, ServiceName, Status};

use super::{OfRegistry, at_most};
use crate::scenario::HASTE;

/// Milliseconds: a tick of the wheel and a look of the janitor.
const LATE_MS: u64 = 50 + 100 * HASTE as u64;
/// Microseconds a proposal may take to be applied, and a word to come, where nothing is broken.
const UNDER_WAY: u64 = 500_000;

impl OfRegistry {
    /// `since`: nothing was in the way since then, and nobody else led.
    pub(crate) fn none_kept_dead(
        &self,
        registry: &Registry,
        settings: &Settings,
        (since, now): (u64, u64),
    ) -> Result<(), String> {
        for named in registry.checks(DEFAULT_NAMESPACE, None).value {
            let (check, definition) = (&named.check, &named.check.definition);
            let key = CheckKey::new(&check.node, &check.namespace, &check.id);
            let is_critical = check.status == Status::Critical;
            let service = named.instance.map(|it| ServiceName::new(&it.namespace, &it.service));
            let (began, least_ms) = if is_critical {
                if definition.deregister_after_ms == 0 {
                    continue;
                }
                (self.instances.critical_since(&key), definition.deregister_after_ms)
            } else {
                let times = u64::from(definition.failures_before_critical.max(1));
                let windows = service.map_or(0, |service| windows(registry, &service, settings));
                let held_ms = windows * settings.breaker.window_ms;
                (self.instances.last_word(&key), definition.ttl_ms * times + held_ms)
            };
            let limit = began.max(since)
                + at_most(least_ms + settings.grace_ms + LATE_MS + settings.again_ms)
                + UNDER_WAY;
            if now > limit {
                let over = now - limit;
                return Err(format!("{key} is {:?} {over} microseconds too long", check.status));
            }
        }
        Ok(())
    }
}

/// As many windows as it takes to lose all of a service, if each loses its share.
fn windows(registry: &Registry, service: &ServiceName, settings: &Settings) -> u64 {
    let count = registry.service_checks(service).value.len() as u64;
    if count < u64::from(settings.breaker.from) {
        return 0;
    }
    count.div_ceil((count * u64::from(settings.breaker.percent) / 100).max(1))
}
