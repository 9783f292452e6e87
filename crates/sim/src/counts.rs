//! What a run was made of, so that nobody takes an empty simulation for a clean one.

macro_rules! counts {
    ($($group:literal { $($name:ident: $words:literal,)* })*) => {
        /// Everything counted in one run or many.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        #[allow(missing_docs, reason = "the names say it")]
        pub struct Counts {
            $($(pub $name: u64,)*)*
        }

        impl Counts {
            /// Every figure with its name, by group.
            #[must_use]
            pub fn groups(&self) -> Vec<(&'static str, Vec<(&'static str, u64)>)> {
                vec![$(($group, vec![$(($words, self.$name),)*]),)*]
            }

            /// Adds another run's.
            pub fn add(&mut self, other: &Self) {
                $($(self.$name += other.$name;)*)*
            }
        }
    };
}

counts! {
    "network faults" {
        partitions: "partitions",
        one_way_partitions: "one-way partitions",
        bridges: "bridge partitions",
        rings: "majority rings",
        packets: "packets",
        packets_cut: "cut",
        packets_dropped: "dropped",
        packets_doubled: "doubled",
        packets_late: "late",
        answers_lost: "answers lost",
        links_broken: "connections broken",
    }
    "faults of nodes" {
        kills: "kills",
        power_cuts: "power cuts",
        batches_lost: "engine batches lost",
        failed_syncs: "failed syncs",
        full_disks: "full disks",
        read_only_disks: "disks turned read-only",
        stops_for_disk: "stops for want of a disk",
        slow_disks: "slow disks",
        slow_appliers: "slow appliers",
        pauses: "pauses",
        clock_jumps: "jumps of the wall clock",
        stalls: "disks that stalled",
        transfers: "transfers asked",
        conf_changes: "changes of peers proposed",
        joint_changes: "of these by joint consensus",
        regions_left: "regions gone from a node",
        farewells_again: "of these at a start",
        strangers: "regions split off where their parent was to go",
        logs_forgotten: "logs of replicas gone while the node was down",
    }
    "disks that lied" {
        flips: "bits flipped",
        misdirected: "writes misdirected",
        stale_reads: "stale reads",
        lost_names: "names lost",
        lost_disks: "disks lost whole",
        harmless_lies: "lies that hit nothing that counts",
        refused_starts: "starts refused for damage",
        damaged_reads: "damage read by a process that ran",
        replaced: "nodes replaced by new ones",
        whole_again: "clusters whole again",
    }
    "consensus" {
        events: "events",
        elections: "elections won",
        entries_committed: "entries committed",
        entries_applied: "entries applied",
        sleeps: "groups fell asleep",
        sleep_words: "words about sleep",
        wakes: "replicas woken",
        asleep_ticks: "ticks slept",
        log_cuts: "log cuts",
        sweeps: "sweeps",
        snapshots_sent: "snapshots sent",
        snapshots_broken: "snapshots broken off",
        chunks_corrupted: "chunks of snapshots corrupted",
        snapshots_installed: "snapshots installed",
        snapshots_again: "snapshots installed at a start",
    }
    "clients" {
        writes: "writes answered",
        reads: "reads answered",
        lease_reads: "lease reads",
        unknown: "unknown outcomes",
        refused: "refused",
        retries: "retries",
        far: "asked where no replica is",
        misrouted: "commands of an old map refused",
        splits: "regions split, on each node",
        splits_of_begun: "of them with the new one there before",
        ground_taken: "snapshots refused for a region that owns some of it",
        leases_expired: "leases expired",
        watches: "watches opened",
        watch_events: "events watched",
        watches_compacted: "watches compacted away",
        puts: "puts answered",
        deletes: "deletes answered",
        swaps: "compare-and-swaps answered",
        grants: "leases granted",
        renewals: "leases renewed",
        revocations: "leases revoked",
        compactions: "compactions answered",
    }
    "registry" {
        registrations: "registrations answered",
        beats: "beats answered",
        beats_unknown: "beats of nothing known",
        mends: "beats that mend",
        losses: "checks lost by silence",
        removals: "instances removed by silence",
        sessions: "sessions made",
        session_renewals: "sessions renewed",
        sessions_ended: "sessions ended by silence",
        passed_over: "expiries passed over",
        stood_still: "leaders that stood still",
        locks: "locks acquired",
        locks_refused: "locks refused",
        locks_delayed: "locks delayed",
        held_back: "looks with losses held back",
        waits_woken: "waiters woken",
        waits_answered: "waiters answered",
    }
    "regions that serve after the last fault" {
        served_in_1: "within an election timeout",
        served_in_2: "within 2",
        served_in_3: "within 3",
        served_in_5: "within 5",
        served_in_10: "within 10",
        served_later: "later",
    }
    "histories" {
        histories: "histories checked",
        history_ops: "operations in them",
        undecided: "histories undecided",
    }
}
