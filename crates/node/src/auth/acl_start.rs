//! What a node's settings say of Consul's ACL, made so in the cluster.

use std::sync::Arc;
use std::time::Duration;

use env::Rng;
use state::auth::acl::AclCommand;
use state::auth::{AuthCommand, KeptSecret};
use tokio::time::sleep;
use types::RegionId;

use super::{change, hash_of};
use crate::audit::{AuditKind, AuditRecord, Sender};
use crate::read;
use crate::shared::Shared;

/// Between two attempts at the start.
const AGAIN: Duration = Duration::from_millis(100);

/// Switches the ACL on or off, if this node was told to, and sees to the first token that may do everything.
/// Until that is done, a node that was told to switch it on lets nobody in ([`super::Gate`]).
pub(crate) async fn acl_at_start(shared: Arc<Shared>) {
    let settings = shared.config.acl.clone();
    let Some(on) = settings.enable else { return };
    let switch = if on {
        AclCommand::Enable { allows_by_default: settings.allows_by_default }
    } else {
        AclCommand::Disable
    };
    let first = settings.initial_management.filter(|_| on).map(|secret| {
        let id = uuid(shared.rng.as_ref()).into();
        let text = std::str::from_utf8(&secret.0).unwrap_or_default();
        let kept = if settings.keep_secrets { text.into() } else { KeptSecret::default() };
        let (secret, now_ms) = (hash_of(&secret.0), shared.clock.wall_millis());
        AclCommand::EnsureManagement { id, secret, kept, now_ms }
    });
    for command in std::iter::once(switch).chain(first) {
        while !is_done(&shared, &command).await {
            if shared.has_ended() {
                return;
            }
            sleep(AGAIN).await;
        }
    }
}

/// A random UUID.
pub(crate) fn uuid(rng: &dyn Rng) -> String {
    let (high, low) = (rng.next_u64(), rng.next_u64());
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0xc << 60) | (0x8 << 60);
    let text = format!("{high:016x}{low:016x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &text[part]);
    parts.join("-")
}

async fn is_done(shared: &Arc<Shared>, command: &AclCommand) -> bool {
    let Some(meta) = shared.shard(RegionId::META) else { return false };
    // As it is: what other nodes did before need not be done again.
    if read::by_round(shared, &meta).await.is_err() {
        return false;
    }
    let auth = shared.auth.auth();
    let acl = &auth.acl;
    let is_so = match command {
        AclCommand::Enable { allows_by_default } => {
            acl.enabled && acl.allows_by_default == *allows_by_default
        }
        AclCommand::Disable => !acl.enabled,
        AclCommand::EnsureManagement { secret, .. } => acl.token_of(secret).is_some(),
        _ => false,
    };
    if is_so {
        return true;
    }
    let (what, id) = command.describe();
    match change(shared, AuthCommand::Acl(Box::new(command.clone()))).await {
        Ok(()) => {
            tracing::info!(what, id, "the ACL was changed as this node's settings say");
            let record = || AuditRecord {
                kind: AuditKind::Rights,
                who: Sender {
                    address: "the settings of this node".to_owned(),
                    ..Sender::default()
                },
                what: what.to_owned(),
                on: id.to_owned(),
                outcome: "ok".to_owned(),
            };
            shared.config.audit.record(shared.clock.wall_millis(), record, None);
            true
        }
        Err(fault) => {
            tracing::debug!(what, %fault, "the ACL is not as this node's settings say yet");
            false
        }
    }
}
