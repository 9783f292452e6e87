//! What is moved when nodes come and go, against the least that would do.

use placement::NodeState;

use crate::paper::{Dice, Paper};

/// A repair does not wait for the emptiest node to have time for it; what that costs is moved again.
const REPAIRED: u32 = 120;

struct Row {
    what: &'static str,
    least: u64,
    paper: Paper,
}

impl Row {
    /// Carries out what happened, and prints a line of the table in `docs/architecture/placement.md`.
    fn run(what: &'static str, least: u64, mut paper: Paper) -> Self {
        paper.start_counting();
        paper.settle(20_000);
        let row = Self { what, least, paper };
        let paper = &row.paper;
        let (bytes, replicas) = paper.off_by();
        println!(
            "| {} | {} | {} | {:.1} | {:.2} | {} | {bytes:.1} % | {replicas:.1} % |",
            paper.view.nodes.len(),
            paper.view.regions.len(),
            row.what,
            paper.moved_bytes as f64 / f64::from(1 << 30),
            row.factor(),
            paper.rounds,
        );
        row
    }

    fn factor(&self) -> f64 {
        self.paper.moved_bytes as f64 / self.least as f64
    }

    /// Ends even, and moved no more than `most` percent of the least.
    fn checked(self, most: u32) -> Paper {
        let (bytes, replicas) = self.paper.off_by();
        assert!(bytes <= 10.0 && replicas <= 10.0, "{}: {bytes}, {replicas}", self.what);
        assert!(
            self.factor() * 100.0 <= f64::from(most),
            "{}: {} times the least",
            self.what,
            self.factor()
        );
        self.paper
    }
}

fn settled(nodes: u64, zones: u64, regions: u64) -> Paper {
    let mut paper = Paper::new(nodes, zones, regions);
    // What nodes can carry at the same time, not what protects a small cluster.
    paper.limits.moves = usize::try_from(nodes * 4).unwrap();
    paper.settle(20_000);
    let (bytes, replicas) = paper.off_by();
    assert!(bytes <= 10.0 && replicas <= 10.0, "{nodes} nodes: {bytes}, {replicas}");
    paper
}

/// A node comes, one goes in peace, one goes without a word.
fn live(nodes: u64, regions: u64) {
    let mut paper = settled(nodes, 5, regions);
    let new = nodes + 1;
    paper.add_node(new, &format!("z{}", new % 5));
    let least = paper.bytes_on(&paper.serving()) / new;
    let mut paper = Row::run("a node is added", least, paper).checked(110);

    paper.node(2).state = NodeState::Draining;
    let least = paper.bytes_on(&[2]);
    let mut paper = Row::run("a node is drained", least, paper).checked(110);
    assert_eq!(paper.bytes_on(&[2]), 0);
    paper.view.nodes.remove(&types::NodeId(2));

    paper.node(3).down_seconds = paper.limits.lost_after - 1;
    paper.start_counting();
    paper.settle(100);
    assert_eq!(paper.moved_replicas, 0, "it may come back yet");
    paper.node(3).down_seconds += 1;
    let least = paper.bytes_on(&[3]);
    let paper = Row::run("a node is lost", least, paper).checked(REPAIRED);
    assert_eq!(paper.bytes_on(&[3]), 0);
}

#[test]
fn ten_nodes_live() {
    live(10, 600);
}

#[test]
fn a_hundred_nodes_live() {
    live(100, 3_000);
}

#[test]
fn a_thousand_nodes_live() {
    live(1_000, 10_000);
}

#[test]
fn a_lost_zone_is_rebuilt_in_the_others_and_gets_its_part_back() {
    let mut paper = settled(12, 4, 400);
    let zone: Vec<u64> = (1..=12).filter(|node| node % 4 == 1).collect();
    for node in &zone {
        paper.node(*node).down_seconds = paper.limits.lost_after;
    }
    let least = paper.bytes_on(&zone);
    let mut paper = Row::run("a zone of four is lost", least, paper).checked(REPAIRED);
    assert_eq!(paper.bytes_on(&zone), 0);
    for node in &zone {
        paper.node(*node).down_seconds = 0;
    }
    let least = paper.bytes_on(&paper.serving()) * 3 / 12;
    Row::run("it comes back empty", least, paper).checked(110);
}

/// With three zones and three replicas, what is lost of a region is lost of its spread, too.
#[test]
fn a_zone_of_three_comes_back_and_every_region_is_spread_again() {
    let mut paper = settled(9, 3, 300);
    let zone = [3, 6, 9];
    for node in zone {
        paper.node(node).down_seconds = paper.limits.lost_after;
    }
    let least = paper.bytes_on(&zone);
    let mut paper = Row::run("a zone of three is lost", least, paper).checked(REPAIRED);
    for node in zone {
        paper.node(node).down_seconds = 0;
    }
    let least = paper.bytes_on(&paper.serving()) / 3;
    let paper = Row::run("it comes back empty", least, paper).checked(110);
    for region in paper.view.regions.values() {
        let zones: Vec<u64> = region.wanted.iter().map(|node| node.get() % 3).collect();
        assert!(zones.iter().all(|zone| zones.iter().filter(|it| *it == zone).count() == 1));
    }
}

/// Sizes change all the time; what is within the tolerance stays where it is.
#[test]
fn growing_and_shrinking_a_little_moves_nothing() {
    let mut paper = settled(10, 5, 600);
    paper.limits.tolerance = 8;
    let mut dice = Dice(11);
    paper.start_counting();
    for _ in 0..100 {
        for region in paper.view.regions.values_mut() {
            region.bytes = region.bytes * (98 + dice.below(5)) / 100;
        }
        paper.round();
    }
    let share = paper.moved_bytes as f64 / paper.bytes_on(&paper.serving()) as f64;
    assert!(share < 0.01, "{share} of all bytes moved for nothing");
}

/// Time of one plan, to look at: figures of `docs/architecture/placement.md`.
#[test]
fn a_plan_of_many_regions_is_timed() {
    for (nodes, regions) in [(10, 10_000), (1_000, 100_000)] {
        let mut paper = Paper::new(nodes, 5, regions);
        let time = |paper: &Paper| {
            let start = std::time::Instant::now();
            let moves = placement::plan(&paper.view, &paper.limits).len();
            (moves, start.elapsed())
        };
        println!("{nodes} nodes, {regions} regions, uneven: {:?}", time(&paper));
        paper.node(1).down_seconds = paper.limits.lost_after;
        println!("{nodes} nodes, {regions} regions, a node lost: {:?}", time(&paper));
        let (moves, _) = time(&paper);
        assert!(moves > 0);
    }
}
