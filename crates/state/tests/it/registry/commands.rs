//! Random commands, such that most of them do something.

use state::registry::{CheckKey, Expiry, InstanceKey, RegistryCommand, Status, Target, TimerId};
use types::Revision;

use super::random::{NAMESPACES, Trial};
use super::words;

impl Trial {
    pub(super) fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.random.below(of.len() as u64) as usize]
    }

    fn registration(&mut self) -> RegistryCommand {
        let node = self.one(&["n0", "n0", "n1", "n2"]);
        let mut text = format!("register {node} addr=h{}", self.random.below(2));
        if self.random.one_in(3) {
            text += &format!(" nodemeta=k:{}", self.random.below(2));
        }
        if self.random.one_in(4) {
            text += " skip";
        }
        let namespace = self.one(&NAMESPACES);
        let id = self.one(&["i0", "i1", "i2", "i3"]);
        text += &format!(" ns={namespace}");
        if !self.random.one_in(4) {
            let (service, zone) = (self.one(&["a", "b", "c"]), self.one(&["z1", "z2"]));
            text += &format!(" service={service} id={id} port={}", self.random.below(2));
            text += self.one(&["", " tags=x", " tags=x,y", " tags=y,x", " tags=z"]);
            text += &format!(" zone={zone}");
            if self.random.one_in(3) {
                text += " replace";
            }
        }
        for _ in 0..self.random.below(3) {
            let check = self.one(&["c0", "c1", "c2", "h"]);
            text += &format!(" check={check}");
            if check != "h" {
                text += &format!(",of:{id}");
            }
            text += self.one(&["", ",passing", ",passing", ",passing", ",warning", ",critical"]);
            text += self.one(&["", ",keep", ",ttl:1000", ",ttl:2000,after:9", ",failures:3"]);
        }
        words::command(&text)
    }

    /// What a home may say of a node, late and in any order; each is said at one revision only.
    fn mirror(&mut self) -> RegistryCommand {
        self.home += 1;
        let at = self.home - self.random.below(self.home.min(6) as u64) as i64;
        let node = self.one(&["n0", "n1", "n2"]);
        if self.random.one_in(4) {
            return words::command(&format!("mirror {at} {node} gone"));
        }
        let mut text = format!("mirror {at} {node} addr=h{}", self.random.below(2));
        let checks = [
            "",
            " check=h,passing",
            " check=h,critical,ttl:1000",
            " check=c0",
            " check=c0 check=h",
        ];
        text += self.one(&checks);
        let mut command = words::command(&text);
        if let RegistryCommand::Mirror(mirrors) = &mut command {
            for (_, checks) in mirrors.iter_mut().filter_map(|mirror| mirror.node.as_mut()) {
                for check in checks {
                    // Numbers of the home's, each handed out once.
                    self.home += 1;
                    check.timer = TimerId(self.home as u64);
                }
            }
        }
        command
    }

    fn check_key(&mut self) -> CheckKey {
        let namespace = self.one(&NAMESPACES);
        let (node, id) = (self.one(&["n0", "n0", "n1", "n2"]), self.one(&["c0", "c1", "c2", "h"]));
        CheckKey::new(node, namespace, id)
    }

    fn status(&mut self) -> Status {
        [Status::Passing, Status::Passing, Status::Passing, Status::Warning, Status::Critical]
            [self.random.below(5) as usize]
    }

    fn expiry(&mut self) -> Expiry {
        let check = self.check_key();
        let known = self.model.checks.get(&check).map(|it| it.modified);
        let modified = known.filter(|_| !self.random.one_in(4)).unwrap_or(Revision(3));
        match self.random.below(3) {
            0 => Expiry::Check { check, modified, status: self.status() },
            1 => Expiry::Instance { check, modified },
            _ => {
                let id = self.one(&["s0", "s1", "s2"]);
                let known = self.model.sessions.get(id).map(|it| it.modified);
                let modified = known.filter(|_| !self.random.one_in(4)).unwrap_or(Revision(3));
                Expiry::Session { id: id.into(), modified }
            }
        }
    }

    pub(super) fn command(&mut self) -> RegistryCommand {
        let session = self.one(&["s0", "s1", "s2"]);
        match self.random.below(20) {
            0..=4 => self.registration(),
            5 if self.random.one_in(2) => self.mirror(),
            5 => match self.registration() {
                RegistryCommand::Register(it) => RegistryCommand::RegisterOn(it),
                other => other,
            },
            6 => {
                let namespace = self.one(&NAMESPACES);
                let (node, id) = (self.one(&["n0", "n1"]), self.one(&["i0", "i1", "i2", "i3"]));
                let key = InstanceKey::new(node, namespace, id);
                RegistryCommand::Deregister(Target::Instance(key))
            }
            7 => RegistryCommand::Deregister(Target::Check(self.check_key())),
            8 if self.random.one_in(3) => {
                RegistryCommand::Deregister(Target::Node(self.one(&["n0", "n1", "n2"]).into()))
            }
            8..=11 => RegistryCommand::UpdateCheck {
                check: self.check_key(),
                status: self.status(),
                output: [None, Some("well".into()), Some("".into())][self.random.below(3) as usize]
                    .clone(),
            },
            12 | 13 => {
                let node = self.one(&["n0", "n0", "n1"]);
                let rest = self.one(&["", " checks=h", " services=c0,c1", " ttl=10000", " delete"]);
                words::command(&format!("session {session} node={node} delay=5{rest}"))
            }
            14 => RegistryCommand::DestroySession { id: session.into() },
            15 => RegistryCommand::RenewSession { id: session.into() },
            16 => RegistryCommand::Expire((0..3).map(|_| self.expiry()).collect()),
            17 => {
                let ops: Vec<String> = (0..self.random.below(6))
                    .map(|_| match self.random.below(2) {
                        0 => self.operation(),
                        _ => self.catalog_operation(),
                    })
                    .collect();
                words::command(&format!("txn {}", ops.join(" ; ")))
            }
            18 if self.random.one_in(3) => {
                let (key, index) = self.key_and_index();
                words::command(&format!("kvdel {key} {index}"))
            }
            _ => {
                let put = self.put();
                words::command(&format!("kv {put}"))
            }
        }
    }

    fn key_and_index(&mut self) -> (&'static str, i64) {
        let key = self.one(&["k0", "k1", "k2"]);
        let index = self.model.kv.get(key.as_bytes()).map_or(0, |kv| kv.modified);
        (key, if self.random.one_in(6) { index + 1 } else { index })
    }

    fn put(&mut self) -> String {
        let ((key, index), session) = (self.key_and_index(), self.one(&["s0", "s1", "s2"]));
        let rest = match self.random.below(6) {
            0 => format!("cas={index}"),
            1 => format!("release={session}"),
            2..=4 => format!("acquire={session}"),
            _ => String::new(),
        };
        let (value, flags) = (self.random.below(2), self.random.below(2));
        format!("{key} v{value} flags={flags} {rest}")
    }

    /// One of a transaction, such that most of them are done.
    fn operation(&mut self) -> String {
        let ((key, index), prefix) = (self.key_and_index(), self.one(&["k", "k1", "x", ""]));
        let holder = self
            .model
            .kv
            .get(key.as_bytes())
            .map_or("", |kv| std::str::from_utf8(&kv.session).unwrap());
        let check = match self.random.below(4) {
            _ if index == 0 => format!("check-not-exists {key}"),
            0 => format!("get {key}"),
            1 => format!("check-session {key} {holder}"),
            _ => format!("check-index {key} {index}"),
        };
        match self.random.below(16) {
            0..=6 => format!("put {}", self.put()),
            7 => format!("get-or-empty {key}"),
            8 => format!("get-tree {prefix}"),
            9 | 10 => format!("delete {key}"),
            11 if self.random.one_in(2) => format!("delete-tree {prefix}"),
            12 => format!("delete-cas {key} {index}"),
            _ => check,
        }
    }
}
