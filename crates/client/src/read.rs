//! How fresh an answer must be, and how old it is.

use std::time::Duration;

use tonic::metadata::{MetadataMap, MetadataValue};

/// How a read is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Read {
    /// As if there were one copy, confirmed by a quorum.
    #[default]
    Linearizable,
    /// The same by the leader alone, as long as the servers' clocks run about alike; cheaper.
    Lease,
    /// The same from the asked server's copy, or from the leader's if that one is late.
    Follower,
    /// From the asked server's own copy, however old; the answer says how old. Works without a leader.
    Stale,
    /// As [`Read::Stale`]; a server whose copy is older refuses, and the next one is asked.
    StaleWithin(Duration),
}

/// How long ago the server's copy was last known to be caught up with the leader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Age {
    /// That long ago, not counting the time messages take.
    Known(Duration),
    /// Not since the server was started.
    Unknown,
}

impl Read {
    /// Says it in a request's metadata. Servers of etcd go by the request alone.
    pub(crate) fn say(self, metadata: &mut MetadataMap) {
        let mode = match self {
            Self::Linearizable => return,
            Self::Lease => "lease",
            Self::Follower => "follower",
            Self::Stale | Self::StaleWithin(_) => "stale",
        };
        metadata.insert("hiraeth-read", MetadataValue::from_static(mode));
        if let Self::StaleWithin(most) = self {
            let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
            metadata.insert("hiraeth-max-stale-millis", millis.into());
        }
    }

    /// Whether etcd's `serializable` says the same as far as it can.
    pub(crate) const fn is_stale(self) -> bool {
        matches!(self, Self::Stale | Self::StaleWithin(_))
    }
}

impl Age {
    /// What an answer's metadata tells; `None` for an answer that is not stale.
    pub(crate) fn told(metadata: &MetadataMap) -> Option<Self> {
        let told = metadata.get("hiraeth-stale-millis")?.to_str().ok();
        let millis = told.and_then(|told| told.parse().ok());
        Some(millis.map_or(Self::Unknown, |millis| Self::Known(Duration::from_millis(millis))))
    }
}
