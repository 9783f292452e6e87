//! Operations of transactions on what is registered: as words, at random, and as the model does them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use state::registry::query::NamedCheck;
use state::registry::{
    Behavior, CatalogOp, Check, CheckKey, Instance, InstanceKey, Node, Target, TimerId, TxnResult,
};
use types::Revision;

use super::keys::Kv;
use super::model::{Model, instance_of};
use super::random::{NAMESPACES, Trial};
use super::words;
use crate::parse::option;

/// `node-get n1`, `service-set n1 service=web id=w1 cas=7`, `check-delete n1 c1`: the records as in
/// `register`. `None` for what is no such operation.
pub(crate) fn operation(text: &str) -> Option<CatalogOp> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let index = option(&words, "cas").map(|it| it.parse().unwrap());
    let namespace = words::namespace(&words);
    let instance = || InstanceKey::new(words[1], namespace, words[2]);
    let check = || CheckKey::new(words[1], namespace, words[2]);
    let record = || words::registration(&words[1..]);
    let name = || words[1].into();
    Some(match words[0] {
        "node-get" => {
            CatalogOp::GetNode { name: name(), id: words.get(2).map_or("", |it| it).into() }
        }
        "node-set" => CatalogOp::SetNode { node: record().node.into(), index },
        "node-delete" => CatalogOp::DeleteNode { name: name(), index },
        "service-get" => CatalogOp::GetInstance(instance()),
        "service-set" => {
            let instance = Instance { node: name(), ..record().instance.unwrap() };
            CatalogOp::SetInstance { instance: instance.into(), index }
        }
        "service-delete" => CatalogOp::DeleteInstance { key: instance(), index },
        "check-get" => CatalogOp::GetCheck(check()),
        "check-set" => {
            let check = Check { node: name(), ..record().checks.remove(0).check };
            CatalogOp::SetCheck { check: check.into(), index }
        }
        "check-delete" => CatalogOp::DeleteCheck { key: check(), index },
        _ => return None,
    })
}

impl Trial {
    /// Such that most of them are done.
    pub(super) fn catalog_operation(&mut self) -> String {
        let node = self.one(&["n0", "n0", "n1", "n2"]);
        let (namespace, id) = (self.one(&NAMESPACES), self.one(&["i0", "i1"]));
        let check = self.one(&["c0", "c1", "h"]);
        let has_node = self.model.nodes.contains_key(node);
        let number = |it: Option<Revision>| it.map_or(0, Revision::get);
        let of_node = number(self.model.nodes.get(node).map(|it| it.modified));
        let instance = InstanceKey::new(node, namespace, id);
        let of_instance = number(self.model.instances.get(&instance).map(|it| it.modified));
        let key = CheckKey::new(node, namespace, check);
        let of_check = number(self.model.checks.get(&key).map(|it| it.modified));
        let what = self.random.below(14);
        let cas = self.random.one_in(4);
        let wrong = i64::from(self.random.one_in(9));
        let at = |index: i64| if cas { format!(" cas={}", index + wrong) } else { String::new() };
        match what {
            _ if !has_node && what > 2 => format!("node-set {node} addr=h0"),
            0 | 1 => format!("node-set {node} addr=h{}{}", self.random.below(2), at(of_node)),
            2 if self.random.one_in(2) => format!("node-delete {node}{}", at(of_node)),
            3..=6 => {
                let service = self.one(&["a", "b", "c"]);
                let tags = self.one(&["", " tags=x", " tags=x,y"]);
                let place = format!("{node} ns={namespace} service={service} id={id}");
                format!("service-set {place}{tags}{}", at(of_instance))
            }
            7 => format!("service-delete {node} {id} ns={namespace}{}", at(of_instance)),
            8..=10 => {
                let of = self.one(&["i0", "i1"]);
                let about = if check == "h" { String::new() } else { format!(",of:{of}") };
                let rest = self.one(&[",passing", ",passing,ttl:1000", ",critical"]);
                format!(
                    "check-set {node} ns={namespace} check={check}{about}{rest}{}",
                    at(of_check)
                )
            }
            11 => format!("check-delete {node} {check} ns={namespace}{}", at(of_check)),
            12 if of_check > 0 => format!("check-get {node} {check} ns={namespace}"),
            12 | 13 if of_instance > 0 => format!("service-get {node} {id} ns={namespace}"),
            _ => format!("node-get {node}"),
        }
    }
}

type Ran = Option<Vec<TxnResult>>;

impl Model {
    /// As if each were a command of its own, at the same revision.
    pub(super) fn run_catalog(
        &mut self,
        op: &CatalogOp,
        made: &mut u64,
        before: &BTreeMap<Bytes, Kv>,
    ) -> Ran {
        let sessions = self.sessions.clone();
        let ran = self.run_one(op, made)?;
        self.end_what_hangs();
        for (id, session) in sessions {
            if self.sessions.contains_key(&id) {
                continue;
            }
            let held: Vec<Bytes> = self.keys_of(&id);
            for key in &held {
                self.let_go_of(key, session.behavior, before);
            }
            if session.lock_delay_ms > 0 {
                self.delays.extend(held.into_iter().map(|key| (key, session.lock_delay_ms)));
            }
        }
        Some(ran)
    }

    fn keys_of(&self, id: &str) -> Vec<Bytes> {
        let held = self.kv.iter().filter(|(_, kv)| kv.session == *id.as_bytes());
        held.map(|(key, _)| key.clone()).collect()
    }

    fn let_go_of(&mut self, key: &Bytes, behavior: Behavior, before: &BTreeMap<Bytes, Kv>) {
        if behavior == Behavior::Delete {
            self.kv.remove(key);
            return;
        }
        let now = self.revision + 1;
        let kv = self.kv.get_mut(key).unwrap();
        let old = before.get(key).filter(|old| old.created == kv.created);
        (kv.session, kv.modified) = (Bytes::new(), now);
        kv.version = old.map_or(0, |old| old.version) + 1;
    }

    fn run_one(&mut self, op: &CatalogOp, made: &mut u64) -> Ran {
        let now = Revision(self.revision + 1);
        let number = |it: Revision| it.get() as u64;
        let fits = |known: Option<Revision>, index: Option<u64>| {
            index.is_none_or(|index| known.map_or(0, number) == index)
        };
        let goes = |known: Option<Revision>, index: Option<u64>| {
            index.is_none_or(|index| known.map(number) == Some(index))
        };
        match op {
            CatalogOp::GetNode { name, id } => {
                let node = self.nodes.get(name).filter(|it| id.is_empty() || it.id == *id)?;
                Some(vec![TxnResult::Node(Arc::new(node.clone()))])
            }
            CatalogOp::SetNode { node, index } => {
                let known = self.nodes.get(&node.name).cloned();
                if !fits(known.as_ref().map(|it| it.modified), *index) {
                    return None;
                }
                let (created, modified) = known.as_ref().map_or((now, now), times_of_node);
                let mut set = Node { created, modified, ..(**node).clone() };
                if known.as_ref() != Some(&set) {
                    set.modified = now;
                }
                self.nodes.insert(set.name.clone(), set.clone());
                Some(vec![TxnResult::Node(Arc::new(set))])
            }
            CatalogOp::DeleteNode { name, index } => {
                let known = self.nodes.get(name).map(|it| it.modified);
                goes(known, *index).then(|| self.forget(&Target::Node(name.clone())))?;
                Some(Vec::new())
            }
            CatalogOp::GetInstance(key) => {
                let found = self.instances.get(key)?.clone();
                Some(vec![TxnResult::Instance(Arc::new(found))])
            }
            CatalogOp::SetInstance { instance, index } => {
                let key = InstanceKey::new(&instance.node, &instance.namespace, &instance.id);
                let known = self.instances.get(&key).cloned();
                let is_known = self.nodes.contains_key(&key.node);
                if !is_known || !fits(known.as_ref().map(|it| it.modified), *index) {
                    return None;
                }
                let times = |it: &Instance| (it.created, it.modified);
                let (created, modified) = known.as_ref().map_or((now, now), times);
                let mut set = Instance { created, modified, ..(**instance).clone() };
                if known.as_ref() != Some(&set) {
                    set.modified = now;
                }
                if known.is_some_and(|known| known.service != set.service) {
                    let moved = self.checks.values_mut().filter(|it| instance_of(it) == key);
                    moved.for_each(|check| check.modified = now);
                }
                self.instances.insert(key, set.clone());
                Some(vec![TxnResult::Instance(Arc::new(set))])
            }
            CatalogOp::DeleteInstance { key, index } => {
                let known = self.instances.get(key).map(|it| it.modified);
                goes(known, *index).then(|| self.forget(&Target::Instance(key.clone())))?;
                Some(Vec::new())
            }
            CatalogOp::GetCheck(key) => Some(vec![self.named(self.checks.get(key)?.clone())]),
            CatalogOp::SetCheck { check, index } => {
                let key = CheckKey::new(&check.node, &check.namespace, &check.id);
                let about = instance_of(check);
                let has_instance = about.id.is_empty() || self.instances.contains_key(&about);
                let known = self.checks.get(&key).cloned();
                let is_known = self.nodes.contains_key(&key.node) && has_instance;
                if !is_known || !fits(known.as_ref().map(|it| it.modified), *index) {
                    return None;
                }
                let mut set = (**check).clone();
                (set.created, set.modified) = (now, now);
                match &known {
                    Some(known) => {
                        (set.created, set.modified) = (known.created, known.modified);
                        set.timer = known.timer;
                    }
                    None => {
                        set.timer = TimerId(now.get() as u64 * 256 + *made);
                        *made += 1;
                    }
                }
                if known.as_ref() != Some(&set) {
                    set.modified = now;
                }
                self.checks.insert(key, set.clone());
                Some(vec![self.named(set)])
            }
            CatalogOp::DeleteCheck { key, index } => {
                let known = self.checks.get(key).map(|it| it.modified);
                goes(known, *index).then(|| self.forget(&Target::Check(key.clone())))?;
                Some(Vec::new())
            }
        }
    }

    fn named(&self, check: Check) -> TxnResult {
        let instance = self.instances.get(&instance_of(&check)).cloned().map(Arc::new);
        TxnResult::Check(NamedCheck { check: Arc::new(check), instance })
    }
}

fn times_of_node(node: &Node) -> (Revision, Revision) {
    (node.created, node.modified)
}
