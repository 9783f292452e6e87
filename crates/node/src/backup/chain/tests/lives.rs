//! Backups of two lives of one cluster, and those of a server that does not do what it was asked.

use super::*;

/// Until revision 3, and behind that in another life until 5.
fn two_lives() -> (Ordered, Vec<u8>, Ordered) {
    let (mut first, mut second) = (Ordered::new(), Ordered::new());
    (1..3).for_each(|key| first.write(key, false));
    (3..7).for_each(|key| second.write(key, false));
    let full = first.backup(0, None);
    (first, full, second)
}

#[test]
fn what_came_since_in_another_life_of_the_cluster_is_refused() {
    let (mut same, full, other) = two_lives();
    let base = contents(&full);
    let since = |of: &Ordered, nodes: Marks| {
        let (view, sent) = of.sent(0, Some(&base));
        let file = written_in(nodes, &view, Some(&base), vec![sent]);
        open(&[("full", &full), ("since", &file)]).map(|_| ()).map_err(|error| error.to_string())
    };
    // Nothing else tells: it goes on from the full one's revision, in a cluster of the same number.
    let told = since(&other, Marks::from([mark(NodeId(1), 8)])).unwrap_err();
    assert!(
        told.contains("since does not go on from full: the cluster was restored (or all"),
        "{told}"
    );
    assert!(since(&other, Marks::new()).is_err(), "one that does not say");
    // One node that stayed will do.
    same.write(9, false);
    let replaced = Marks::from([mark(NodeId(2), 1), mark(NodeId(3), 5)]);
    assert!(since(&same, replaced.clone()).is_err());
    assert_eq!(since(&same, &replaced | &nodes()), Ok(()));
}

#[test]
fn a_file_says_how_many_are_needed_with_it() {
    let [full, first, second] = three();
    assert_eq!([full, first, second].map(|file| contents(&file).files()), [1, 2, 3]);
}

/// One that does not know of earlier backups sends all.
#[test]
fn all_of_a_keyspace_is_taken_as_all_of_it_whatever_was_asked_for() {
    let (mut ordered, mut wide) = (Ordered::new(), Wide::new());
    for key in 1..6 {
        ordered.write(key, false);
        wide.write(key, false);
    }
    let base = [ordered.backup(0, None), wide.backup(None)];
    // Over the base some of this would come back, or be there twice.
    for key in [2, 4] {
        ordered.write(key, true);
        wide.write(key, true);
    }
    wide.split(3);
    (ordered.compacted, ordered.swept) = (ordered.revision, [ordered.revision; 2]);
    let (view, all) = ordered.sent(0, None);
    let ordered_again = written(&view, Some(&contents(&base[0])), vec![all]);
    let (view, all) = wide.sent(None);
    let wide_again = written(&view, Some(&contents(&base[1])), all);
    let [whole_ordered, whole_wide] = [ordered.backup(0, None), wide.backup(None)];
    for (base, again, whole) in
        [(&base[0], &ordered_again, &whole_ordered), (&base[1], &wide_again, &whole_wide)]
    {
        let chain = open(&[("base", base), ("again", again)]).unwrap();
        assert_eq!(records(&chain), records(&open(&[("whole", whole)]).unwrap()));
        assert!(chain.newest().unwrap().keyspaces.iter().all(|found| !found.is_partial()));
    }
}
