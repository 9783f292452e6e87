//! Saving a registry and making another one that again: what the model does, and single cases.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use state::command::Command;
use state::registry::{
    ArchiveWriter, Check, CheckKey, Instance, InstanceKey, Name, Node, RegistryAnswer,
    RegistryCommand, RestoreStep, Session, TimerId, check_archive,
};
use state::request::RangeRequest;
use state::response::Response;
use types::{Code, KeyRange, Revision};

use super::keys::Kv;
use super::model::{Model, Resource, instance_of};
use super::words;
use crate::replica::Replica;

/// What the model held when it was saved.
#[derive(Clone, Default)]
pub(crate) struct Saved {
    nodes: BTreeMap<Name, Node>,
    instances: BTreeMap<InstanceKey, Instance>,
    checks: BTreeMap<CheckKey, Check>,
    sessions: BTreeMap<Name, Session>,
    kv: BTreeMap<Bytes, Kv>,
}

impl Model {
    pub(super) fn save(&self) -> Saved {
        Saved {
            nodes: self.nodes.clone(),
            instances: self.instances.clone(),
            checks: self.checks.clone(),
            sessions: self.sessions.clone(),
            kv: self.kv.clone(),
        }
    }

    pub(super) fn restore_step(
        &mut self,
        step: &RestoreStep,
    ) -> (RegistryAnswer, BTreeSet<Resource>) {
        self.delays.clear();
        if !matches!(step, RestoreStep::CarryOut { .. }) {
            return (RegistryAnswer::Done { changed: false }, BTreeSet::new());
        }
        let (saved, before) = (self.saved.clone(), self.save());
        let now = Revision(self.revision + 1);
        let mut timers = (now.get() as u64 * 256..).map(TimerId);
        self.restore_catalog(&saved, now);
        self.checks.retain(|key, _| saved.checks.contains_key(key));
        for (key, wanted) in &saved.checks {
            let mut check = Check { created: now, modified: now, ..wanted.clone() };
            match self.checks.get(key) {
                None => check.timer = timers.next().unwrap(),
                Some(known) => {
                    (check.timer, check.created) = (known.timer, known.created);
                    let same = Check { modified: known.modified, ..check.clone() };
                    if same == *known {
                        check = same;
                    }
                }
            }
            self.checks.insert(key.clone(), check);
        }
        let known = std::mem::take(&mut self.sessions);
        for (id, wanted) in &saved.sessions {
            let session = known.get(id).cloned().filter(|known| {
                let Session { timer, created, modified, .. } = *known;
                Session { timer, created, modified, ..wanted.clone() } == *known
            });
            let session = session.unwrap_or_else(|| {
                let timer = timers.next().unwrap();
                Session { timer, created: now, modified: now, ..wanted.clone() }
            });
            self.sessions.insert(id.clone(), session);
        }
        let after = self.save();
        let changed = (&before.nodes, &before.instances, &before.checks, &before.sessions)
            != (&after.nodes, &after.instances, &after.checks, &after.sessions);
        self.restore_keys(&saved, now.get());
        if changed || self.kv != before.kv {
            self.revision = now.get();
        }
        let woken = if changed { self.look_around() } else { BTreeSet::new() };
        (RegistryAnswer::Done { changed: changed || self.kv != before.kv }, woken)
    }

    fn restore_catalog(&mut self, saved: &Saved, now: Revision) {
        self.nodes.retain(|name, _| saved.nodes.contains_key(name));
        for (name, wanted) in &saved.nodes {
            let known = self.nodes.get(name);
            let created = known.map_or(now, |known| known.created);
            let modified = known.map_or(now, |known| known.modified);
            let mut node = Node { created, modified, ..wanted.clone() };
            if known != Some(&node) {
                node.modified = now;
            }
            self.nodes.insert(name.clone(), node);
        }
        self.instances.retain(|key, _| saved.instances.contains_key(key));
        for (key, wanted) in &saved.instances {
            let known = self.instances.get(key).cloned();
            let created = known.as_ref().map_or(now, |known| known.created);
            let modified = known.as_ref().map_or(now, |known| known.modified);
            let mut instance = Instance { created, modified, ..wanted.clone() };
            if known.as_ref() != Some(&instance) {
                instance.modified = now;
            }
            if known.is_some_and(|known| known.service != instance.service) {
                let moved = self.checks.values_mut().filter(|it| instance_of(it) == *key);
                moved.for_each(|check| check.modified = now);
            }
            self.instances.insert(key.clone(), instance);
        }
    }

    fn restore_keys(&mut self, saved: &Saved, now: i64) {
        self.kv.retain(|key, _| saved.kv.contains_key(key));
        for (key, wanted) in &saved.kv {
            let known = self.kv.get(key).cloned().unwrap_or_default();
            let Kv { created, modified, version, .. } = known;
            let mut kv = Kv { created, modified, version, ..wanted.clone() };
            if kv != known || version == 0 {
                (kv.modified, kv.version) = (now, version + 1);
                kv.created = if version == 0 { now } else { created };
            }
            self.kv.insert(key.clone(), kv);
        }
    }
}

/// All a replica holds.
pub(super) fn archive(replica: &mut Replica) -> Bytes {
    replica.write();
    let all = RangeRequest { range: KeyRange::all(), ..RangeRequest::default() };
    let kvs = replica.machine.select(&all).unwrap().fetch(&replica.engine).unwrap().kvs;
    let everything = replica.machine.registry().unwrap().everything();
    let mut archive = ArchiveWriter::new(&everything).unwrap();
    kvs.iter().for_each(|kv| archive.key(kv).unwrap());
    let archive = archive.finish();
    check_archive(archive.clone()).unwrap();
    archive
}

fn step(kind: &str, restore: &str, part: u32, bytes: &[u8]) -> RegistryCommand {
    let (restore, bytes) = (restore.into(), Bytes::copy_from_slice(bytes));
    RegistryCommand::Restore(match kind {
        "stage" => RestoreStep::Stage { restore, part, bytes },
        "abandon" => RestoreStep::Abandon { restore },
        _ => RestoreStep::CarryOut { restore, parts: part },
    })
}

/// The commands that bring an archive, cut at `cut`.
pub(super) fn steps(archive: &Bytes, cut: usize) -> Vec<RegistryCommand> {
    let (one, two) = archive.split_at(cut);
    vec![step("stage", "r", 0, one), step("stage", "r", 1, two), step("carry out", "r", 2, &[])]
}

fn run(replica: &mut Replica, command: RegistryCommand) -> Result<Response, Code> {
    let effects = replica.apply(None, Command::Registry(command));
    effects.outcome.result.map_err(|fault| fault.code)
}

fn done(changed: bool) -> Result<Response, Code> {
    Ok(Response::Registry(RegistryAnswer::Done { changed }))
}

#[test]
fn what_is_cut_damaged_or_another_ones_changes_nothing_and_leaves_nothing() {
    let mut replica = Replica::of_registry();
    for text in [
        "register n addr=h service=a id=i tags=x check=c,of:i,passing,ttl:1000 check=k,passing",
        "session s node=n checks=k ttl=10000",
        "kv key value flags=7 acquire=s",
    ] {
        run(&mut replica, words::command(text)).unwrap();
    }
    let saved = archive(&mut replica);
    let records = replica.engine.0.len();
    run(&mut replica, words::command("destroy s")).unwrap();
    let now = archive(&mut replica);
    for at in 0..saved.len() {
        let mut damaged = saved.to_vec();
        damaged.truncate(at);
        assert_eq!(check_archive(damaged.clone().into()).unwrap_err().code, Code::InvalidArgument);
        if at % 20 == 0 {
            for command in steps(&damaged.into(), at / 2) {
                let _ = run(&mut replica, command);
            }
        }
    }
    // Of another one, with a gap, one part too few; each of them a restart later.
    run(&mut replica, step("stage", "one", 0, &saved)).unwrap();
    replica.write();
    replica.restart();
    let refused = Err(Code::InvalidArgument);
    assert_eq!(run(&mut replica, step("stage", "one", 2, &saved)), refused);
    assert_eq!(run(&mut replica, step("carry out", "two", 1, &[])), refused);
    assert_eq!(run(&mut replica, step("carry out", "one", 2, &[])), refused);
    assert_eq!(run(&mut replica, step("abandon", "two", 0, &[])), done(false));
    assert_eq!(archive(&mut replica), now);
    assert_eq!(run(&mut replica, step("carry out", "one", 1, &[])), done(true));
    run(&mut replica, step("stage", "three", 0, &saved)).unwrap();
    assert_eq!(run(&mut replica, step("abandon", "three", 0, &[])), done(false));
    assert_eq!(run(&mut replica, step("carry out", "three", 1, &[])), refused);
    for command in steps(&saved, 9) {
        assert_eq!(run(&mut replica, command), done(false));
    }
    replica.write();
    // The lock's newer version, the index of sessions that one of them went.
    assert!(replica.engine.0.len() <= records + 4, "{records}: {:#?}", replica.engine.0.keys());
}

/// More timers than one revision hands out: the revisions that their numbers need are used up.
#[test]
fn no_timer_is_handed_out_twice() {
    let mut replica = Replica::of_registry();
    for at in 0..600 {
        let text = format!("register n addr=h service=a id=i{at} check=c{at},of:i{at},ttl:1000");
        run(&mut replica, words::command(&text)).unwrap();
    }
    let saved = archive(&mut replica);
    run(&mut replica, words::command("deregister node n")).unwrap();
    let before = replica.machine.revision();
    for command in steps(&saved, 100) {
        run(&mut replica, command).unwrap();
    }
    let after = replica.machine.revision();
    assert_eq!(after.get(), before.get() + 3);
    run(&mut replica, words::command("register n addr=h check=k,ttl:1000")).unwrap();
    replica.write();
    for restarted in [false, true] {
        if restarted {
            replica.restart();
        }
        let registry = replica.machine.registry().unwrap();
        let timers: BTreeSet<TimerId> = registry.timers().map(|(timer, _)| timer).collect();
        assert_eq!(timers.len(), 601);
        assert_eq!(registry.counts()[3], 601);
    }
}
