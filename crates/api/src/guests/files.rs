/// Whether a client that came has to go: what is left of the file descriptors is for links to other nodes,
/// the log and the engine. A node that clients keep from these would stop over its clients.
pub(crate) fn turned_away(peer: &str) -> bool {
    // Its own is among those that are open.
    let crowded = node::client_descriptors_left(1) == 0;
    if crowded {
        super::complaint::CROWDED.about(peer, 1);
    }
    crowded
}
