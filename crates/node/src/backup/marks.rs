//! Which nodes were there: restored twice, one backup gives two clusters the same number, but each data
//! directory draws an identity of its own. Where no node is the same, revisions may mean other things.

use std::collections::BTreeSet;

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};
use state::directory::Directory;
use types::NodeId;

use super::header::hex;

/// Nodes with their data directories.
pub type Marks = BTreeSet<String>;

/// Stands for a node with its data directory, 32 hexadecimal digits. The identity itself is between nodes.
#[must_use]
pub fn mark(node: NodeId, identity: u128) -> String {
    let mut digest = Blake2b::<U16>::new();
    digest.update("hiraeth node");
    digest.update(node.get().to_be_bytes());
    digest.update(identity.to_be_bytes());
    hex(&digest.finalize())
}

/// Those that a directory knows.
pub(crate) fn known(directory: &Directory) -> Marks {
    // One that was never met is nobody yet.
    let met = directory.nodes.values().filter(|node| node.identity != 0);
    met.map(|node| mark(node.id, node.identity)).collect()
}

#[cfg(test)]
mod tests {
    use types::NodeId;

    use super::mark;

    #[test]
    fn a_mark_is_of_one_node_with_one_directory_and_stands_in_files() {
        assert_eq!(mark(NodeId(1), 7), "05f884b2aa1adee564e5b7b7b1c7b709");
        assert_ne!(mark(NodeId(1), 7), mark(NodeId(1), 8));
        assert_ne!(mark(NodeId(1), 7), mark(NodeId(2), 7));
    }
}
