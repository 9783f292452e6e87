use std::collections::BTreeSet;

use types::NodeId;

use super::error::Error;
use super::hash::fnv1a;

/// The nodes a cluster is first formed of (`--initial-cluster`), sorted by name. It matters only to
/// a node's first start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitialCluster {
    members: Vec<(String, String)>,
}

impl InitialCluster {
    /// A cluster of `members`, each a name and a peer address `host:port`.
    ///
    /// # Errors
    /// [`Error::InitialCluster`] when it is empty, or a name or address is empty or there twice.
    pub fn new(mut members: Vec<(String, String)>) -> Result<Self, Error> {
        members.sort();
        if members.is_empty() {
            return Err(Error::InitialCluster("it names no node".into()));
        }
        let mut seen = BTreeSet::new();
        for (name, address) in &members {
            if name.is_empty() || address.is_empty() {
                return Err(Error::InitialCluster("a name or an address is empty".into()));
            }
            // One set for both is enough: a name that is also an address helps nobody.
            for word in [name, address] {
                if !seen.insert(word.as_str()) {
                    return Err(Error::InitialCluster(format!("{word} is there twice")));
                }
            }
        }
        Ok(Self { members })
    }

    /// Names and peer addresses, sorted by name.
    #[must_use]
    pub fn members(&self) -> &[(String, String)] {
        &self.members
    }

    /// The nodes' numbers with their peer addresses: 1..n in the order of the names.
    #[must_use]
    pub fn peers(&self) -> Vec<(NodeId, String)> {
        (1..).map(NodeId).zip(self.members.iter().map(|(_, address)| address.clone())).collect()
    }

    /// The number of the node called `name`.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeId> {
        (1..).map(NodeId).zip(&self.members).find(|(_, (own, _))| own == name).map(|(id, _)| id)
    }

    /// How many nodes are a majority.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// What tells two initial clusters apart before the cluster has an id.
    #[must_use]
    pub fn hash(&self) -> u128 {
        let mut text = String::new();
        for (name, address) in &self.members {
            text.push_str(name);
            text.push('\0');
            text.push_str(address);
            text.push('\n');
        }
        fnv1a(text.as_bytes())
    }
}
