//! Going to the node that leads a key's region.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use proto::etcdserverpb as pb;
use tokio::time::Instant;
use tonic::transport::Channel;
use types::{Code, KeyRange};

use crate::Client;

/// Until routes are asked for again where nobody answered.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where that was refused.
const REFUSED: Duration = Duration::from_secs(60);

/// An answer with the header of a region.
pub(crate) trait Headed {
    /// The term the region is led in; 0 if that is not told.
    fn term(&self) -> u64;
}

macro_rules! headed {
    ($($answer:ident),*) => {$(
        impl Headed for pb::$answer {
            fn term(&self) -> u64 {
                self.header.as_ref().map_or(0, |header| header.raft_term)
            }
        }
    )*};
}

headed!(RangeResponse, PutResponse, DeleteRangeResponse, TxnResponse);

impl Client {
    /// The node that leads the region of `key`, and the way there; `None` if that is not known, or if the
    /// client leaves finding it to the servers.
    pub(crate) async fn led_at(&self, key: &Bytes) -> Option<(u64, String, Channel)> {
        if !self.shared.options.direct {
            return None;
        }
        if let Some(known) = self.known_leader(key) {
            return Some(known);
        }
        self.learn_leader(key).await;
        self.known_leader(key)
    }

    fn known_leader(&self, key: &Bytes) -> Option<(u64, String, Channel)> {
        let node = *self.shared.routes.map().owner(key)?.nodes.first()?;
        let (address, channel) = self.shared.routes.nodes.channel(node)?;
        Some((node, address, channel))
    }

    async fn learn_leader(&self, key: &Bytes) {
        let mut pause = self.shared.routes.asking.lock().await;
        let is_early = pause.is_some_and(|until| Instant::now() < until);
        if is_early || self.shared.routes.map().owner(key).is_some() {
            return;
        }
        // What lies behind it, too: many keys are asked for at once.
        let range = KeyRange { start: key.clone(), end: None };
        let asked = self.ask_routes(&range).boxed().await;
        *pause = match asked {
            Ok(_) => None,
            Err(error) => {
                let refused =
                    matches!(error.code(), Some(Code::PermissionDenied | Code::Unsupported));
                Some(Instant::now() + if refused { REFUSED } else { PAUSE })
            }
        };
    }
}
