//! An ordered key space: what it is made of. Reading it is [`select`]'s, changing it [`write`]'s.

mod consul;
mod draft;
mod fetch;
mod garbage;
mod locks;
mod scavenge;
mod select;
mod txn;
mod write;

use types::{Batch, Fault, ReadFailure, Reader, RegionId, Revision};

use crate::alarms::{Alarm, Alarms};
use crate::applied::Progress;
use crate::error::LoadError;
use crate::index::KeyIndex;
use crate::keys;
use crate::leases::Leases;
use crate::overlay::{Overlay, Records};
use crate::record::Record;
use crate::response::{Position, Response};
pub(crate) use draft::Draft;
pub use fetch::Selection;
pub(crate) use fetch::arrange;
pub use garbage::Sweep;
pub(crate) use select::{limit, natural};
pub(crate) use write::event;

/// The keys of a region with all their kept versions.
pub(crate) struct KeySpace {
    region: RegionId,
    progress: Progress,
    index: KeyIndex,
    leases: Leases,
    alarms: Alarms,
    locks: locks::Locks,
    overlay: Overlay,
    /// Records up to here are in the ledger.
    walked: Revision,
    walk: Option<scavenge::Walk>,
    ledger: garbage::Ledger,
    /// Somebody removes what was taken from the ledger.
    sweeping: bool,
}

impl KeySpace {
    pub(crate) fn load(
        region: RegionId,
        progress: Progress,
        reader: &dyn Reader,
    ) -> Result<Self, LoadError> {
        let walked = progress.scavenged;
        let mut space = Self { progress, walked, ..Self::empty(region) };
        space.load_leases(reader)?;
        space.load_alarms(reader)?;
        space.load_records(reader)?;
        for (key, head) in space.index.range(&types::KeyRange::all()) {
            if head.lease.get() != 0 {
                space.leases.attach(key, types::LeaseId(0), head.lease);
            }
        }
        Ok(space)
    }

    fn empty(region: RegionId) -> Self {
        Self {
            region,
            progress: Progress::default(),
            index: KeyIndex::default(),
            leases: Leases::default(),
            alarms: Alarms::default(),
            locks: locks::Locks::default(),
            overlay: Overlay::default(),
            walked: Revision(0),
            walk: None,
            ledger: garbage::Ledger::default(),
            sweeping: false,
        }
    }

    fn load_leases(&mut self, reader: &dyn Reader) -> Result<(), LoadError> {
        let (start, end) = keys::leases(self.region);
        let mut damaged = None;
        reader.scan(&start, &end, &mut |key, value| {
            let (id, ttl) = (keys::lease_id(&key), crate::leases::decode(value));
            match (id, ttl) {
                (Some(id), Ok(ttl)) => self.leases.grant(id, ttl),
                (id, ttl) => damaged = Some(format!("lease {id:?}: {ttl:?}")),
            }
            damaged.is_none()
        })?;
        damaged.map_or(Ok(()), |what| Err(LoadError::Damaged(what)))
    }

    fn load_alarms(&mut self, reader: &dyn Reader) -> Result<(), LoadError> {
        let (start, end) = keys::alarms(self.region);
        let mut damaged = None;
        reader.scan(&start, &end, &mut |key, _| {
            match keys::alarm_of(&key) {
                Some(alarm) => self.alarms.load(alarm),
                None => damaged = Some(format!("an alarm under the key {key:?}")),
            }
            damaged.is_none()
        })?;
        damaged.map_or(Ok(()), |what| Err(LoadError::Damaged(what)))
    }

    fn load_records(&mut self, reader: &dyn Reader) -> Result<(), LoadError> {
        let (start, end) = keys::all_records(self.region);
        let mut damaged = None;
        let (last, clean) = (self.progress.revision, self.progress.scavenged);
        reader.scan(&start, &end, &mut |key, value| {
            let Some(position) = keys::position(&key).filter(|it| it.revision <= last) else {
                damaged = Some(format!("a record under the key {key:?}, newest revision {last}"));
                return false;
            };
            if position.revision <= clean {
                self.ledger.add(position, key.len() + value.len());
            }
            match Record::decode_head(&value, position) {
                Ok((key, head, session)) => {
                    self.index.set(key, head);
                    self.locks.set(key, session);
                }
                Err(error) => damaged = Some(format!("{position:?}: {error}")),
            }
            damaged.is_none()
        })?;
        damaged.map_or(Ok(()), |what| Err(LoadError::Damaged(what)))
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
    }

    pub(crate) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    pub(crate) fn set_alarm(
        &mut self,
        alarm: Alarm,
        raise: bool,
        batch: &mut Batch,
    ) -> Result<Response, Fault> {
        self.alarms.set(self.region, alarm, raise, batch)
    }

    pub(crate) fn index_memory(&self) -> usize {
        self.index.memory()
    }

    /// The batch is in the engine.
    pub(crate) fn written(&mut self) {
        self.overlay.clear();
    }

    fn records<'a>(&'a self, reader: &'a dyn Reader) -> Records<'a> {
        Records { region: self.region, overlay: Some(&self.overlay), reader }
    }

    /// A version that must be there, since a head points to it.
    fn record(&self, position: Position, reader: &dyn Reader) -> Result<Record, ReadFailure> {
        self.records(reader).get(position)?.ok_or_else(|| {
            ReadFailure(format!("record {position:?} of region {} is missing", self.region))
        })
    }

    pub(crate) fn newest(&self) -> Revision {
        self.progress.revision
    }
}
