//! The Rust client of Hiraeth: keys and values, transactions, watches, leases and keyspaces, over
//! etcd's v3 services and Hiraeth's own.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::{Client, Options, Put, Watch};
//!
//! let client = Client::connect(["127.0.0.1:2379"], Options::default()).await?;
//! client.put(Put::new("color", "blue")).await?;
//! let answer = client.get("color").await?;
//! let mut watcher = client.watch(Watch::key("color").from_revision(answer.revision + 1)).await?;
//! let changes = watcher.next().await?;
//! # drop(changes);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] may be given several endpoints. Reads are repeated elsewhere when one does not
//! answer. A write is repeated only when it was certainly not carried out; where that cannot be told,
//! the error says so ([`Error::outcome_unknown`]). What [`Client::hold`] writes is harmless twice, and
//! so is repeated.

mod backup;
mod call;
mod client;
mod code;
mod configuration;
mod direct;
mod endpoints;
mod error;
mod http;
mod keys;
mod keyspace;
mod kv;
mod lease;
mod lock;
mod login;
mod metrics;
mod node;
mod number;
mod options;
mod pages;
mod read;
mod regions;
mod registry;
mod span;
mod tls;
mod txn;
mod watch;

pub use self::tls::Tls;
pub use backup::BackupChunks;
pub use client::Client;
pub use configuration::{
    ConfigContent, ConfigReader, Configuration, ConfigurationName, FollowOptions, Followed, Gray,
    GrayWider, Held, Rejected, Release, Sight,
};
pub use error::Error;
pub use http::HttpAnswer;
pub use keys::{BatchPart, Batcher, DeletedPart, RegionPages, Sequence, Swap, Write};
pub use kv::{Delete, Deleted, Get, Put, Records, SortBy, Written};
pub use lease::{Granted, KeptLease, Renewals, TimeToLive};
pub use lock::{HeldLock, Lock};
pub use login::{Token, User};
pub use node::Member;
pub use options::Options;
pub use pages::Pages;
pub use read::{Age, Read};
pub use regions::{Positions, RegionChanges, RegionsWatch, RegionsWatcher};
pub use registry::{Drain, Instance, KeptInstance, Registry, Service, ServiceCount, Standing};
pub use span::Span;
pub use txn::{Compare, Operation, Relation, Txn, TxnOutcome, TxnResult};
pub use watch::{Change, ChangeKind, Changes, Watch, Watcher};

/// What etcd's `Maintenance.Status` answers, as on the wire.
pub use proto::etcdserverpb::StatusResponse;
/// What nodes tell of themselves, as on the wire.
pub use proto::hiraeth::v1 as native;
/// One key at one revision, as on the wire.
pub use proto::mvccpb::KeyValue;
