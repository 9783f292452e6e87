use std::fs;

use super::{Audit, AuditKind, AuditRecord, AuditSettings, Refusal, Sender};

fn record(kind: AuditKind, on: &str) -> AuditRecord {
    let who =
        Sender { user: "bob".to_owned(), address: "127.0.0.1:7".to_owned(), ..Sender::default() };
    AuditRecord { kind, who, what: "put".to_owned(), on: on.to_owned(), outcome: "ok".to_owned() }
}

fn settings(folder: &tempfile::TempDir) -> AuditSettings {
    AuditSettings { path: folder.path().join("audit.log"), file_bytes: 2_000, files: 3 }
}

#[test]
fn a_record_is_one_line_whatever_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::start(&settings(&folder), "n1").unwrap();
    audit.record(1_764_331_200_120, || record(AuditKind::Rights, "a\n\"b\"\u{2028}\\"), None);
    audit.stop(0);
    let text = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    assert_eq!(
        text,
        "{\"time\":\"2025-11-28T12:00:00.120Z\",\"node\":\"n1\",\"kind\":\"rights\",\"user\":\"bob\",\
         \"token\":\"\",\"address\":\"127.0.0.1:7\",\"what\":\"put\",\
         \"on\":\"a\\u000a\\\"b\\\"\\u2028\\\\\",\"outcome\":\"ok\"}\n"
    );
    let long = "ä".repeat(1_000);
    assert!(record(AuditKind::Denied, &long).line("t", "n").len() < 1_000);
    let long = "\u{1}".repeat(1_000);
    assert!(record(AuditKind::Denied, &long).line("t", "n").len() < 1_000);
    assert_eq!(audit.tally().written, 1);
}

#[test]
fn files_are_bounded_in_size_and_number_and_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        let audit = Audit::start(&settings(&folder), "n1").unwrap();
        for number in 0..40 {
            audit.record(0, || record(AuditKind::Management, &number.to_string()), None);
            // So that they are not all written at once.
            while audit.tally().written <= number {
                std::thread::yield_now();
            }
        }
        audit.stop(0);
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["audit.log", "audit.log.1", "audit.log.2"]);
    for name in names {
        let size = fs::metadata(folder.path().join(&name)).unwrap().len();
        assert!(size > 0 && size <= 2_000, "{name}: {size}");
    }
    let newest = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    assert!(newest.lines().last().unwrap().contains("\"on\":\"39\""));
}

#[test]
fn of_many_refusals_in_a_second_only_the_number_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AuditSettings { file_bytes: 1 << 20, ..settings(&folder) };
    let audit = Audit::start(&settings, "n1").unwrap();
    for number in 0..250 {
        audit.record(
            5_000,
            || record(AuditKind::Denied, &number.to_string()),
            Some(Refusal::Nobody),
        );
    }
    audit.record(5_000, || record(AuditKind::Rights, "not a refusal"), None);
    audit.record(6_000, || record(AuditKind::Denied, "later"), Some(Refusal::Nobody));
    audit.stop(0);
    let text = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 23, "{text}");
    assert!(lines[21].contains("suppressed") && lines[21].contains("\"outcome\":\"230\""));
    assert!(lines[22].contains("later"));
    assert_eq!((audit.tally().suppressed, audit.tally().lost), (230, 0));
}

/// A flood that goes on leaves room: what it pushes out of the files is other refusals at most.
#[test]
fn of_many_refusals_in_an_hour_only_the_number_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AuditSettings { file_bytes: 4 << 20, ..settings(&folder) };
    let audit = Audit::start(&settings, "n1").unwrap();
    audit.record(0, || record(AuditKind::Rights, "a change"), None);
    for number in 0..10_000 {
        audit.record(number * 200, || record(AuditKind::Denied, "again"), Some(Refusal::Nobody));
    }
    audit.stop(0);
    let text = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert_eq!((count("a change"), count("again")), (1, 400));
    // 1,920 s of them are told of once in a minute.
    assert!((31..=33).contains(&count("suppressed")), "{}", count("suppressed"));
    let told = text.lines().filter_map(|line| line.split("\"outcome\":\"").nth(1));
    let told: u64 = told.filter_map(|rest| rest.split('"').next()?.parse::<u64>().ok()).sum();
    assert_eq!((told, audit.tally().suppressed), (9_600, 9_600));
    assert!(text.len() < 1 << 20);
}

/// Who sends one kind without end hides nothing of another, and how many of which were left out is told.
#[test]
fn a_flood_of_one_kind_of_refusals_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AuditSettings { file_bytes: 1 << 20, ..settings(&folder) };
    let audit = Audit::start(&settings, "n1").unwrap();
    let refused = |refusal, on: &str| {
        audit.record(5_000, || record(AuditKind::Denied, on), Some(refusal));
    };
    let others = Refusal::ALL.into_iter().filter(|other| *other != Refusal::Token);
    for _ in 0..3_000 {
        refused(Refusal::Token, "flood");
    }
    for refusal in others.clone() {
        refused(refusal, refusal.name());
    }
    for _ in 0..30 {
        refused(Refusal::Password, "flood");
    }
    audit.stop(0);
    let text = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let count = |on: &str, outcome: &str| {
        let parts = [format!("\"on\":\"{on}\""), format!("\"outcome\":\"{outcome}\"")];
        text.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    for refusal in others {
        assert_eq!(count(refusal.name(), "ok"), 1, "{refusal:?} in\n{text}");
    }
    assert_eq!(count(Refusal::Token.name(), "2980"), 1, "{text}");
    assert_eq!(count(Refusal::Password.name(), "11"), 1, "{text}");
}

/// Nothing more has to happen for it.
#[test]
fn how_many_refusals_were_left_out_is_told_when_they_are_over() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::start(&settings(&folder), "n1").unwrap();
    for _ in 0..23 {
        audit.record(5_000, || record(AuditKind::Denied, ""), Some(Refusal::Nobody));
    }
    let begun = std::time::Instant::now();
    while audit.tally().written < 21 {
        assert!(begun.elapsed().as_secs() < 20, "nobody told");
        std::thread::yield_now();
    }
    let text = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.contains("suppressed") && last.contains("\"outcome\":\"3\""), "{last}");
    audit.stop(0);
}

#[test]
fn what_cannot_be_written_is_counted_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let missing = AuditSettings { path: folder.path().join("no/audit.log"), ..settings(&folder) };
    assert!(Audit::start(&missing, "n1").is_err());
    let audit = Audit::start(&settings(&folder), "n1").unwrap();
    // The file is gone, and something is in its place that is none.
    fs::remove_file(folder.path().join("audit.log")).unwrap();
    fs::create_dir(folder.path().join("audit.log")).unwrap();
    audit.record(0, || record(AuditKind::Rights, "lost"), None);
    while audit.tally().lost == 0 {
        std::thread::yield_now();
    }
    fs::remove_dir(folder.path().join("audit.log")).unwrap();
    audit.record(0, || record(AuditKind::Rights, "found"), None);
    audit.stop(0);
    assert!(fs::read_to_string(folder.path().join("audit.log")).unwrap().contains("found"));
    assert_eq!((audit.tally().written, audit.tally().lost), (1, 1));
}
