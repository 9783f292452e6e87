//! All rules of one token put together, and what they say. The longest prefix counts, and a rule for the
//! very name before all prefixes; where rules of several policies are for the same, deny counts before
//! write before read.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};

use bytes::Bytes;
use types::KeyRange;

use super::model::{Acl, AclId, Identity, IdentityKind};
use super::resource::{Access, Resource};
use super::rules::{Named, Plain, Rules};

type Names = BTreeMap<Box<[u8]>, Access>;

/// What a token may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authorizer {
    /// The token's accessor id.
    pub token: AclId,
    allows_by_default: bool,
    exact: [Names; Named::COUNT],
    prefixes: [Names; Named::COUNT],
    plain: [Option<Access>; Plain::COUNT],
}

impl Acl {
    /// What a token may do in a datacenter; `None` if there is no such token, or its time is over.
    #[must_use]
    pub fn authorizer(&self, id: &str, datacenter: &str, now_ms: u64) -> Option<Authorizer> {
        let (id, token) = self.tokens.get_key_value(id)?;
        if !token.lives_at(now_ms) {
            return None;
        }
        let mut all = Authorizer {
            token: AclId::clone(id),
            allows_by_default: self.allows_by_default,
            exact: Default::default(),
            prefixes: Default::default(),
            plain: [None; Plain::COUNT],
        };
        let roles = token.roles.iter().filter_map(|id| self.roles.get(id));
        let policies = roles.clone().flat_map(|role| &role.policies).chain(&token.policies);
        let is_here = |places: &[Box<str>]| {
            places.is_empty() || places.iter().any(|place| &**place == datacenter)
        };
        let mut seen: Vec<&AclId> = Vec::new();
        for id in policies {
            if let Some(policy) = self.policies.get(id)
                && is_here(&policy.datacenters)
                && !seen.contains(&id)
            {
                seen.push(id);
                all.add(&policy.rules);
            }
        }
        for identity in roles.flat_map(|role| &role.identities).chain(&token.identities) {
            if is_here(&identity.datacenters) {
                all.be(identity);
            }
        }
        Some(all)
    }
}

impl Authorizer {
    /// Whether it may what no rule speaks of.
    #[must_use]
    pub fn allows_by_default(&self) -> bool {
        self.allows_by_default
    }

    fn add(&mut self, rules: &Rules) {
        for rule in &rules.named {
            self.put(rule.about, rule.exact, &rule.name, rule.access);
        }
        for (plain, access) in &rules.plain {
            let place = &mut self.plain[*plain as usize];
            *place = Some(place.map_or(*access, |known| known.merged(*access)));
        }
    }

    fn put(&mut self, about: Named, exact: bool, name: &str, access: Access) {
        let all = if exact { &mut self.exact } else { &mut self.prefixes };
        let place = all[about as usize].entry(name.as_bytes().into());
        place.and_modify(|known| *known = known.merged(access)).or_insert(access);
    }

    /// What Consul gives to whoever is a service, or a node.
    fn be(&mut self, identity: &Identity) {
        let name = &identity.name;
        match identity.kind {
            IdentityKind::Service => {
                self.put(Named::Service, true, name, Access::Write);
                self.put(Named::Service, true, &format!("{name}-sidecar-proxy"), Access::Write);
                self.put(Named::Node, false, "", Access::Read);
            }
            IdentityKind::Node => self.put(Named::Node, true, name, Access::Write),
            _ => return self.add(&identity.rules().unwrap_or_default()),
        }
        self.put(Named::Service, false, "", Access::Read);
    }

    /// Whether it may.
    #[must_use]
    pub fn may(&self, resource: Resource<'_>, wanted: Access) -> bool {
        match resource {
            Resource::Key(key) => self.of_name(Named::Key, key, wanted),
            Resource::Keys(range) => self.of_keys(range, wanted),
            Resource::Service(name) => self.of_name(Named::Service, name.as_bytes(), wanted),
            Resource::Node(name) | Resource::Member(name) => {
                self.of_name(Named::Node, name.as_bytes(), wanted)
            }
            Resource::AllNodes => self.of_all(Named::Node, wanted),
            Resource::Session(node) => self.of_name(Named::Session, node.as_bytes(), wanted),
            Resource::Agent(node) => self.of_name(Named::Agent, node.as_bytes(), wanted),
            Resource::Event(name) => self.of_name(Named::Event, name.as_bytes(), wanted),
            Resource::Query(name) => self.of_name(Named::Query, name.as_bytes(), wanted),
            Resource::Operator => self.of_plain(Plain::Operator, wanted),
            Resource::Keyring => self.of_plain(Plain::Keyring, wanted),
            Resource::Mesh => self.of_plain_or_operator(Plain::Mesh, wanted),
            Resource::Peering => self.of_plain_or_operator(Plain::Peering, wanted),
            // What is not said is not allowed, whatever else is by default.
            Resource::Acl => self.plain[Plain::Acl as usize].is_some_and(|it| it >= wanted),
            Resource::Everything => {
                self.may(Resource::Acl, Access::Write)
                    && self.may(Resource::Operator, Access::Write)
            }
        }
    }

    fn by_default(&self, rule: Option<Access>, wanted: Access) -> bool {
        rule.map_or(self.allows_by_default, |access| access >= wanted)
    }

    fn of_plain(&self, plain: Plain, wanted: Access) -> bool {
        self.by_default(self.plain[plain as usize], wanted)
    }

    fn of_plain_or_operator(&self, plain: Plain, wanted: Access) -> bool {
        let rule = self.plain[plain as usize].or(self.plain[Plain::Operator as usize]);
        self.by_default(rule, wanted)
    }

    fn of_name(&self, about: Named, name: &[u8], wanted: Access) -> bool {
        let exact = self.exact[about as usize].get(name).copied();
        let rule = exact.or_else(|| self.longest(about, name).map(|(_, access)| access));
        self.by_default(rule, wanted)
    }

    /// Whether it holds for every name.
    fn of_all(&self, about: Named, wanted: Access) -> bool {
        let prefixes = &self.prefixes[about as usize];
        let rules = prefixes.values().chain(self.exact[about as usize].values());
        self.by_default(prefixes.get(&[][..]).copied(), wanted)
            && rules.copied().all(|access| access >= wanted)
    }

    /// The rule of the longest prefix of a name.
    fn longest(&self, about: Named, name: &[u8]) -> Option<(&[u8], Access)> {
        let all = &self.prefixes[about as usize];
        let mut name = name;
        loop {
            let (before, access) = all.range::<[u8], _>((Unbounded, Included(name))).next_back()?;
            if name.starts_with(before) {
                return Some((before, *access));
            }
            // What is a prefix of the name and comes before this one is one of what both begin with.
            let same = name.iter().zip(before.iter()).take_while(|(a, b)| a == b).count();
            name = &name[..same];
        }
    }

    /// Whether it holds for every key of a range: the rule that is over all of it gives it, and none that is
    /// about a part of it takes it away.
    fn of_keys(&self, range: &KeyRange, wanted: Access) -> bool {
        if range.is_empty() {
            return true;
        }
        if range.is_single() {
            return self.of_name(Named::Key, &range.start, wanted);
        }
        let mut over = self.longest(Named::Key, &range.start);
        while let Some((prefix, _)) = over
            && !holds(prefix, range)
        {
            over = prefix.split_last().and_then(|(_, less)| self.longest(Named::Key, less));
        }
        if !self.by_default(over.map(|(_, access)| access), wanted) {
            return false;
        }
        let above = over.map_or(&[][..], |(prefix, _)| prefix);
        let below =
            |name: &[u8]| name.starts_with(above) && (over.is_none() || name.len() > above.len());
        let prefixes = self.prefixes[Named::Key as usize].iter();
        let parts = prefixes.filter(|(name, _)| below(name) && meets(name, range));
        let exact = self.exact[Named::Key as usize].iter();
        let single = exact.filter(|(name, _)| range.contains(name));
        parts.chain(single).all(|(_, access)| *access >= wanted)
    }
}

/// Whether every key of the range begins so.
fn holds(prefix: &[u8], range: &KeyRange) -> bool {
    if prefix.is_empty() {
        return true;
    }
    let all = KeyRange::prefix(&Bytes::copy_from_slice(prefix));
    let ends_within = match (&range.end, &all.end) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(end), Some(last)) => end <= last,
    };
    range.start >= all.start && ends_within
}

/// Whether any key of the range begins so.
fn meets(prefix: &[u8], range: &KeyRange) -> bool {
    let all = KeyRange::prefix(&Bytes::copy_from_slice(prefix));
    let begins = range.end.as_ref().is_none_or(|end| all.start < *end);
    begins && all.end.as_ref().is_none_or(|end| range.start < *end)
}
