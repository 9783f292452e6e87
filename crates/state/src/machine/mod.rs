//! A region's state machine: the door to all of the above.

mod apply;
mod read;

use types::{
    Batch, ConfState, Epoch, Index, LeaseId, ReadFailure, Reader, RegionId, Revision, Term,
};

use crate::applied::{self, Applied, Progress};
use crate::command::SessionTag;
use crate::custom::{Custom, Open, View};
use crate::directory::Directory;
use crate::directory_machine::DirectoryMachine;
use crate::error::LoadError;
use crate::keys;
use crate::registry::{self, Registry};
use crate::response::{Event, Outcome};
use crate::sessions::Sessions;
use crate::sharded::{Shape, Sharded, Split};
use crate::space::{KeySpace, Sweep};

/// What applying one entry brought about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effects {
    /// What the proposer is told.
    pub outcome: Outcome,
    /// Whose command it was.
    pub session: Option<SessionTag>,
    /// What watchers are told, in order.
    pub events: Vec<Event>,
    /// What the leader's clock must know.
    pub leases: Vec<LeaseChange>,
    /// Whether the meta region's directory is another one now.
    pub directory_changed: bool,
    /// What of the registry is another way now.
    pub registry: registry::Changes,
    /// That the region was split; [`Machine::take_child`] has the new one.
    pub split: Option<Box<Split>>,
}

/// A lease that came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseChange {
    /// It was granted.
    Granted {
        /// Its id.
        id: LeaseId,
        /// Its time to live.
        ttl_seconds: i64,
    },
    /// It was revoked, or its time was up.
    Revoked {
        /// Its id.
        id: LeaseId,
    },
}

/// The state of one region as of the last entry applied: what it is asked often in memory, the rest
/// in the engine.
///
/// Entries are applied into a [`Batch`]; several may go into one. Then [`Self::finish`], the batch is
/// written to the engine, then [`Self::written`]. Until then readers of the engine do not see what
/// memory already has, so nobody else may read from the machine in between. If the batch cannot be
/// written, or `apply` fails, memory is ahead of the engine for good: drop the machine.
pub struct Machine {
    region: RegionId,
    pub(crate) applied: Applied,
    /// Empty unless the kind is keys and values, or the registry. A region of a sharded keyspace has none:
    /// there may be 10,000.
    space: Option<Box<KeySpace>>,
    pub(crate) kind: Kind,
    pub(crate) sessions: Sessions,
    /// Whether the batch in the making needs an applied record.
    changed: bool,
}

/// Who carries out the commands.
pub(crate) enum Kind {
    KeyValue,
    /// Beside keys and values, with which it shares its revisions.
    Registry(Box<Registry>),
    Directory(Box<DirectoryMachine>),
    Custom(Custom),
    /// A share of the keys of a sharded keyspace.
    Sharded(Sharded),
    /// Nobody any more: a panic left it in no state that means anything.
    Retired,
}

impl Machine {
    /// Rebuilds the state of `region` from its records; without any, a fresh one. Costs a scan of all
    /// of the region's records.
    ///
    /// # Errors
    /// When the engine fails or a record is damaged.
    pub fn load(region: RegionId, reader: &dyn Reader) -> Result<Self, LoadError> {
        let kind = if region == RegionId::META {
            Kind::Directory(Box::new(DirectoryMachine::load(region, reader)?))
        } else {
            Kind::KeyValue
        };
        Self::load_kind(region, reader, kind)
    }

    /// As [`Self::load`], for a region whose commands a custom machine carries out, which `open`
    /// makes from its records.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_custom(
        region: RegionId,
        reader: &dyn Reader,
        open: &Open,
    ) -> Result<Self, LoadError> {
        let machine = open(&View::new(region, reader, None))?;
        let custom = Custom { machine, unwritten: std::collections::BTreeMap::new() };
        Self::load_kind(region, reader, Kind::Custom(custom))
    }

    /// As [`Self::load`], for a region of the registry. A region of keys and values that is loaded like
    /// this has them all, and a registry with nothing in it.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_registry(region: RegionId, reader: &dyn Reader) -> Result<Self, LoadError> {
        let registry = Registry::load(region, reader)?;
        Self::load_kind(region, reader, Kind::Registry(Box::new(registry)))
    }

    /// As [`Self::load`], for a region of a sharded keyspace. One that is new has the shape `fresh`; without
    /// it, it has none before its first snapshot. Costs no scan of its keys.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_sharded(
        region: RegionId,
        reader: &dyn Reader,
        fresh: Option<Shape>,
    ) -> Result<Self, LoadError> {
        let stored = applied::stored_whole(region, reader)?;
        // A copy: what is read is part of a block of the engine.
        let known = stored.shape.map(|shape| Shape { range: shape.range.copied(), ..shape });
        let shape = if stored.applied.index == Index(0) { fresh } else { known };
        let own = Sharded::new(shape, stored.progress.revision);
        Self::load_kind(region, reader, Kind::Sharded(own))
    }

    /// A region that a split made.
    pub(crate) fn born(
        region: RegionId,
        applied: Applied,
        own: Sharded,
        sessions: Sessions,
    ) -> Self {
        Self { region, applied, space: None, kind: Kind::Sharded(own), sessions, changed: true }
    }

    /// Which region it is.
    #[must_use]
    pub fn region(&self) -> RegionId {
        self.region
    }

    /// A region that cannot be served here: it has its position, and refuses everything.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_retired(region: RegionId, reader: &dyn Reader) -> Result<Self, LoadError> {
        Self::load_kind(region, reader, Kind::Retired)
    }

    fn load_kind(region: RegionId, reader: &dyn Reader, kind: Kind) -> Result<Self, LoadError> {
        let (applied, progress) = applied::stored(region, reader)?;
        let mut sessions = Sessions::default();
        let (start, end) = keys::sessions(region);
        let mut damaged = None;
        reader.scan(&start, &end, &mut |key, value| {
            match keys::session_index(&key).map(|index| sessions.load(index, value)) {
                Some(Ok(())) => {}
                other => damaged = Some(format!("the session record {key:?}: {other:?}")),
            }
            damaged.is_none()
        })?;
        if let Some(what) = damaged {
            return Err(LoadError::Damaged(what));
        }
        sessions.loaded();
        let space = match kind {
            Kind::Sharded(_) => None,
            _ => Some(Box::new(KeySpace::load(region, progress, reader)?)),
        };
        Ok(Self { region, applied, space, kind, sessions, changed: false })
    }

    /// How far the log is applied.
    #[must_use]
    pub fn applied(&self) -> &Applied {
        &self.applied
    }

    /// Gives a fresh region its first replicas and shape.
    pub fn set_initial(&mut self, conf_state: ConfState, epoch: Epoch) {
        assert_eq!(self.applied.index, Index(0), "region {} is not fresh", self.region);
        self.applied.conf_state = conf_state;
        self.applied.epoch = epoch;
        self.changed = true;
    }

    /// Takes a region's peers and shape as they are at an index.
    pub fn apply_conf(&mut self, index: Index, term: Term, conf_state: ConfState, epoch: Epoch) {
        self.advance(index, term);
        self.applied.conf_state = conf_state;
        self.applied.epoch = epoch;
    }

    /// Applies an entry that changes the region's peers; `conf_state` is what they are from here on. The
    /// shape's version tells every change; one that was refused by all replicas alike is none.
    pub fn change_peers(&mut self, index: Index, term: Term, conf_state: ConfState) {
        let (mut epoch, conf_state) = (self.applied.epoch, conf_state.sorted());
        epoch.conf_ver += u64::from(conf_state != self.applied.conf_state.clone().sorted());
        self.apply_conf(index, term, conf_state, epoch);
    }

    fn advance(&mut self, index: Index, term: Term) {
        assert!(
            index > self.applied.index,
            "region {}: entry {index} is applied after {}",
            self.region,
            self.applied.index
        );
        self.applied.index = index;
        self.applied.term = term;
        self.changed = true;
    }

    /// Completes a batch: what must be in it besides the changes. Adds nothing if nothing was done.
    pub fn finish(&mut self, batch: &mut Batch) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.sessions.finish(self.region, self.applied.index, batch);
        let record = match &self.kind {
            Kind::Sharded(own) => {
                let progress = Progress { revision: own.revision, ..Progress::default() };
                applied::encode(&self.applied, &progress, own.shape.as_ref())
            }
            _ => applied::encode(&self.applied, &self.progress(), None),
        };
        batch.put(keys::applied(self.region), record);
    }

    /// The batch is in the engine.
    pub fn written(&mut self) {
        if let Some(space) = &mut self.space {
            space.written();
        }
        if let Kind::Custom(custom) = &mut self.kind {
            custom.unwritten.clear();
        }
        if let Kind::Sharded(own) = &mut self.kind {
            own.unwritten.clear();
        }
    }

    /// Applying panicked: what is in memory means nothing any more. From here on everything is
    /// refused with `Corrupt`; nothing more may be applied.
    pub fn retire(&mut self) {
        self.kind = Kind::Retired;
    }

    /// Whether a machine of others carries out the commands.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        matches!(self.kind, Kind::Custom(_))
    }

    /// One bounded step of finding what compaction made unreachable; answers whether there is more to
    /// look at. Not part of the log: each replica does it in its own time.
    ///
    /// # Errors
    /// The engine's; a damaged record.
    pub fn scavenge(
        &mut self,
        reader: &dyn Reader,
        max_records: usize,
    ) -> Result<bool, ReadFailure> {
        self.space.as_mut().map_or(Ok(false), |space| space.scavenge(reader, max_records))
    }

    /// Whether there is something to look at.
    #[must_use]
    pub fn wants_scavenging(&self) -> bool {
        self.space.as_ref().is_some_and(|space| space.wants_scavenging())
    }

    /// The compacted revision up to which what was found would be removed, if that is worth it, or if it
    /// is wanted `anyway`. An engine that removes at once and for good must have this compaction
    /// durable before ([`Self::compacted_in`]): what it removes no crash brings back, and applying the
    /// log again must not need it.
    #[must_use]
    pub fn wants_sweep(&self, anyway: bool) -> Option<Revision> {
        self.space.as_ref()?.wants_sweep(anyway)
    }

    /// Takes what is to be removed from the engine up to the revision that [`Self::wants_sweep`] told;
    /// `None` if there is nothing, or if more was found since: then it has to be asked anew, since what
    /// must be durable is another compaction. Call [`Self::swept`] when it is gone.
    pub fn take_sweep(&mut self, up_to: Revision) -> Option<Sweep> {
        self.changed |= self.wants_sweep(true) == Some(up_to);
        self.space.as_mut()?.take_sweep(up_to)
    }

    /// What was taken is gone from the engine.
    pub fn swept(&mut self, sweep: &Sweep) {
        self.changed = true;
        if let Some(space) = &mut self.space {
            space.swept(sweep);
        }
    }

    /// The oldest readable revision of a region, as a view of the engine has it.
    ///
    /// # Errors
    /// The engine's; a damaged record.
    pub fn compacted_in(region: RegionId, reader: &dyn Reader) -> Result<Revision, LoadError> {
        Ok(applied::stored(region, reader)?.1.compacted)
    }

    /// The newest revision; 1 before the first write, and in the meta region.
    #[must_use]
    pub fn revision(&self) -> Revision {
        if let Kind::Sharded(own) = &self.kind {
            return own.revision;
        }
        self.progress().revision
    }

    pub(crate) fn progress(&self) -> Progress {
        self.space.as_ref().map_or_else(Progress::default, |space| *space.progress())
    }

    /// The oldest readable revision; 0 if nothing was compacted.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.progress().compacted
    }

    /// The meta region's directory.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        match &self.kind {
            Kind::Directory(directory) => Some(directory.directory()),
            _ => None,
        }
    }

    /// The registry, where the region is one.
    #[must_use]
    pub fn registry(&self) -> Option<&Registry> {
        match &self.kind {
            Kind::Registry(registry) => Some(registry),
            _ => None,
        }
    }
}
