use std::sync::Arc;

use hyper::http::uri::Authority;

use super::member::{Member, Standing};
use super::probe;
use crate::config::Config;

/// All members.
pub(crate) struct Members {
    all: Vec<Arc<Member>>,
}

impl Members {
    /// The members of a configuration, which are looked after from here on.
    pub(crate) fn start(config: &Config) -> Self {
        let dial = config.tls.clone().map(tls::Dial::new);
        let member = |at: &Authority| Arc::new(Member::new(at.clone(), dial.as_ref()));
        let all: Vec<_> = config.members.iter().map(member).collect();
        for member in &all {
            tokio::spawn(probe::watch(Arc::downgrade(member)));
        }
        Self { all }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.all.iter()
    }

    /// Whether any member is ready.
    pub(crate) fn any_ready(&self) -> bool {
        self.all.iter().any(|member| member.standing() == Standing::Ready)
    }

    /// The members in the order in which a client tries them: those that are ready before the others, and
    /// each client in an order of its own that does not change, so that it stays where it is.
    pub(crate) fn order(&self, client: u64) -> Vec<Arc<Member>> {
        let mut order: Vec<(Standing, u64, &Arc<Member>)> = (0..)
            .zip(&self.all)
            .map(|(place, member)| (member.standing(), mixed(client, place), member))
            .collect();
        order.sort_by_key(|(standing, score, _)| (*standing, *score));
        order.into_iter().map(|(_, _, member)| Arc::clone(member)).collect()
    }

    /// That nobody is there, with what is wrong with each.
    pub(crate) fn unreached(&self) -> String {
        let names: Vec<_> = self.all.iter().map(|member| member.address.as_str()).collect();
        let troubles: Vec<_> = self
            .all
            .iter()
            .map(|member| format!("{}: {}", member.address, member.trouble()))
            .collect();
        format!("hiraeth: no member of {} is reached: {}", names.join(","), troubles.join("; "))
    }
}

/// A number that says nothing of its two (the finalizer of splitmix64).
fn mixed(client: u64, place: u64) -> u64 {
    let mut it = client.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::member::{Member, Standing};
    use super::Members;

    #[test]
    fn clients_are_spread_and_only_those_of_a_lost_member_move() {
        let member = |at: &str| std::sync::Arc::new(Member::new(at.parse().unwrap(), None));
        let members = Members { all: vec![member("a:1"), member("b:1"), member("c:1")] };
        members.iter().for_each(|member| member.stands(Standing::Ready, ""));
        let first = |client| members.order(client)[0].address.to_string();
        let before: BTreeMap<u64, String> = (0..900).map(|it| (it, first(it))).collect();
        for name in ["a:1", "b:1", "c:1"] {
            let share = before.values().filter(|it| *it == name).count();
            assert!((200..400).contains(&share), "{name}: {share}");
        }
        members.all[1].stands(Standing::Gone, "away");
        for (client, was) in before {
            match was.as_str() {
                "b:1" => assert_ne!(first(client), "b:1"),
                _ => assert_eq!(first(client), was),
            }
        }
        assert!(members.unreached().contains("b:1: away"));
    }
}
