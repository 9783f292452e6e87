//! Locks that are shared or not, semaphores and elections: in the client, and around commands.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use client::{Error, Get, Lock, Operation, Put, Txn};
use proto::v3electionpb::election_client::ElectionClient;
use proto::v3lockpb::lock_client::LockClient;
use proto::{v3electionpb, v3lockpb};
use rustix::process::Signal;
use tokio::time::timeout;

use crate::line::{SOON, in_time, line, stand, stands, take, waits};
use crate::program::{DEADLINE, program, signal, tool, until, wait};
use crate::server::Single;
use crate::wire::Wire;

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_a_lock_and_who_wants_it_alone_take_turns() {
    let single = Single::start().await;
    let client = single.client().await;
    let (shared, alone) = (Lock::shared("job"), Lock::exclusive("job"));
    let one = take(&client, &shared).await.unwrap();
    let other = take(&client, &shared).await.unwrap();
    // Who wants it alone waits for both; and who comes then waits for that one: it starves not.
    let mut writer = stands(&client, &alone, "job", 3).await;
    let mut late = stands(&client, &shared, "job", 4).await;
    assert!(waits(&mut writer).await && waits(&mut late).await);
    one.unlock().await.unwrap();
    assert!(waits(&mut writer).await && waits(&mut late).await);
    other.unlock().await.unwrap();
    let writer = in_time(writer).await;
    assert!(waits(&mut late).await);
    // Two more behind: one alone that gives up, and one who shares, which then holds with the one before.
    let given_up = client.hold(&alone, tokio::time::sleep(SOON)).await.unwrap();
    assert!(given_up.is_none());
    let last = stands(&client, &shared, "job", 3).await;
    let fence = writer.fence();
    writer.unlock().await.unwrap();
    let (late, last) = (in_time(late).await, in_time(last).await);
    assert!(late.fence() > fence && last.fence() > late.fence());
    let limit = Duration::from_millis(300);
    let told = client.lock("job", 10, limit).await.map(drop).unwrap_err();
    assert!(matches!(told, Error::TimedOut { .. }), "{told}");

    // What is written under a lock that was lost is not written.
    let mut late = late;
    let write = |guard| {
        let put = Operation::Put(Put::new("written", "1"));
        client.txn(Txn::new().when([guard]).then([put]))
    };
    assert!(write(late.guard()).await.unwrap().succeeded);
    client.delete(client::Delete::key(late.key().clone())).await.unwrap();
    assert!(!write(late.guard()).await.unwrap().succeeded);
    let lost = timeout(DEADLINE, late.lost()).await.unwrap();
    assert_eq!(lost.code(), Some(types::Code::KeyNotFound), "{lost}");
    last.unlock().await.unwrap();
    assert!(line(&client, "job").await.is_empty());
}

/// Whoever comes and goes: who holds it alone is alone, and all come to their turn.
#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_lock_alone_is_alone() {
    const ALONE: u32 = 1_000;
    let single = Single::start().await;
    let client = single.client().await;
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut workers = Vec::new();
    for number in 0..12 {
        let client = client.clone();
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        let (lock, weight) = match number % 3 {
            0 => (Lock::exclusive("job"), ALONE),
            _ => (Lock::shared("job"), 1),
        };
        workers.push(tokio::spawn(async move {
            for _ in 0..4 {
                let held = take(&client, &lock).await.unwrap();
                let before = now.fetch_add(weight, Ordering::SeqCst);
                assert!(before == 0 || (weight == 1 && before < ALONE), "{before} {weight}");
                most.fetch_max(before + weight, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                now.fetch_sub(weight, Ordering::SeqCst);
                held.unlock().await.unwrap();
            }
        }));
    }
    for worker in workers {
        timeout(DEADLINE, worker).await.unwrap().unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), ALONE);
    assert!(line(&client, "job").await.is_empty());
}

/// Locks and elections of etcd's services, and so of its clients, are those of this client.
#[tokio::test(flavor = "multi_thread")]
async fn etcds_own_locks_and_elections_stand_in_the_same_line() {
    let single = Single::start().await;
    let client = single.client().await;
    let address = format!("http://{}", single.server.client);
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect_lazy();
    let lease = client.grant_lease(60, 0).await.unwrap().id;

    let lock = Lock::exclusive("job");
    let held = take(&client, &lock).await.unwrap();
    let mut locks = LockClient::new(channel.clone());
    let request = v3lockpb::LockRequest { name: "job".into(), lease };
    let mut theirs =
        tokio::spawn(async move { locks.lock(request).await.unwrap().into_inner().key });
    stand(&client, "job", 2).await;
    let mut ours = stands(&client, &lock, "job", 3).await;
    assert!(timeout(SOON, &mut theirs).await.is_err() && waits(&mut ours).await);
    held.unlock().await.unwrap();
    let key = timeout(DEADLINE, theirs).await.unwrap().unwrap();
    assert_eq!(key, format!("job/{lease:x}"));
    assert!(waits(&mut ours).await);
    LockClient::new(channel.clone()).unlock(v3lockpb::UnlockRequest { key }).await.unwrap();
    in_time(ours).await.unlock().await.unwrap();

    let lead = Lock::leader("job", "ours");
    let leads = take(&client, &lead).await.unwrap();
    let mut elections = ElectionClient::new(channel);
    let (name, value) = (bytes::Bytes::from("job"), bytes::Bytes::from("theirs"));
    let seen = elections.leader(v3electionpb::LeaderRequest { name: name.clone() }).await.unwrap();
    let seen = seen.into_inner().kv.unwrap();
    assert_eq!((&seen.key, &seen.value[..]), (leads.key(), &b"ours"[..]));
    let mut own = elections.clone();
    let request = v3electionpb::CampaignRequest { name, lease, value };
    let theirs = tokio::spawn(async move { own.campaign(request).await.unwrap().into_inner() });
    stand(&client, "job", 2).await;
    let mut ours = stands(&client, &lead, "job", 3).await;
    leads.unlock().await.unwrap();
    let leader = timeout(DEADLINE, theirs).await.unwrap().unwrap().leader;
    assert!(waits(&mut ours).await);
    elections.resign(v3electionpb::ResignRequest { leader }).await.unwrap();
    in_time(ours).await.unlock().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_semaphore_has_so_many_holders_and_never_more() {
    const SLOTS: u32 = 3;
    let single = Single::start().await;
    let client = single.client().await;
    let slot = Lock::slot("job", SLOTS);
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut workers = Vec::new();
    for number in 0..12 {
        let (client, slot) = (client.clone(), slot.clone());
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        workers.push(tokio::spawn(async move {
            for _ in 0..3 {
                let held = take(&client, &slot).await.unwrap();
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                // Somebody may take it from one, too.
                if number == 0 {
                    client.delete(client::Delete::key(held.key().clone())).await.unwrap();
                } else {
                    held.unlock().await.unwrap();
                }
            }
        }));
    }
    for worker in workers {
        timeout(DEADLINE, worker).await.unwrap().unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), SLOTS, "all are used, and no more");
    assert!(line(&client, "job").await.is_empty());
    // One goes without a word: its place is free when its lease ends, and so there is one for the third.
    drop(take(&client, &slot.clone().ttl_seconds(1)).await.unwrap());

    // In the order of asking, whoever gives up between.
    let mut held = Vec::new();
    for _ in 0..SLOTS {
        held.push(take(&client, &slot).await.unwrap());
    }
    let mut first = stands(&client, &slot, "job", 4).await;
    let quitter = stands(&client, &slot, "job", 5).await;
    let mut second = stands(&client, &slot, "job", 6).await;
    assert!(waits(&mut first).await && waits(&mut second).await);
    quitter.abort();
    let all = line(&client, "job").await;
    client.delete(client::Delete::key(all[4].key.clone())).await.unwrap();
    held.remove(1).unlock().await.unwrap();
    let first = in_time(first).await;
    assert!(waits(&mut second).await);
    first.unlock().await.unwrap();
    let second = in_time(second).await;
    // Who says another number is told, and takes nobody's place.
    for slots in [SLOTS + 1, 1] {
        let told = take(&client, &Lock::slot("job", slots)).await.map(drop).unwrap_err();
        assert!(matches!(&told, Error::Setting(words) if words.contains("3 slots")), "{told}");
    }
    for slots in [0, 1_001] {
        let told = take(&client, &Lock::slot("job", slots)).await.map(drop).unwrap_err();
        assert!(matches!(&told, Error::Setting(_)), "{told}");
    }
    held.push(second);
    for held in held {
        held.unlock().await.unwrap();
    }
}

/// The program at work; what it prints can be waited for.
struct Running {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(endpoint: &str, arguments: &[&str]) -> Self {
        Self::start_with(endpoint, arguments, Stdio::inherit())
    }

    fn start_with(endpoint: &str, arguments: &[&str], errors: Stdio) -> Self {
        let mut command = program();
        command.args(arguments).env("HIRAETH_ENDPOINTS", endpoint);
        command.stdout(Stdio::piped()).stderr(errors);
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ends(mut self) -> Option<i32> {
        wait(&mut self.process).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(&self.process, Signal::TERM);
        }
    }
}

fn in_line(endpoint: &str) -> Vec<String> {
    let keys = tool(endpoint, &["kv", "scan", "job/", "--keys-only"]).well();
    keys.lines().filter(|line| line.starts_with("job/")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_while_its_lock_is_held() {
    let single = Single::start().await;
    let endpoint = single.server.client.clone();
    let lock = |more: &[&str], script: &str| {
        let front = [&["lock", "job"], more, &["--", "sh", "-c", script]].concat();
        tool(&endpoint, &front)
    };
    // Its exit code is the command's.
    assert_eq!(lock(&[], "exit 0").code, 0);
    assert_eq!(lock(&[], "exit 7").code, 7);
    // Also if that is the number that says it was lost, of which nothing is given back.
    assert_eq!(lock(&[], "exit 6").code, 6);
    assert!(in_line(&endpoint).is_empty());
    assert_eq!(lock(&[], "kill -9 $$").code, 128 + 9);
    let told = tool(&endpoint, &["lock", "job", "--", "/nowhere/command"]).failed(127);
    assert!(told.contains("/nowhere/command cannot be run"), "{told}");
    assert_eq!(tool(&endpoint, &["lock", "job", "--", "/etc/passwd"]).code, 126);
    assert_eq!(tool(&endpoint, &["lock", "job"]).code, 2);
    assert!(in_line(&endpoint).is_empty(), "all is given back");

    // The token rises, and guards what is written in a transaction.
    let token = |ended: crate::program::Ended| ended.well().trim().parse::<i64>().unwrap();
    let first = token(lock(&[], "echo $HIRAETH_FENCING_TOKEN"));
    let second = token(lock(&["--shared"], "echo $HIRAETH_FENCING_TOKEN"));
    assert!(second > first);
    let guarded = format!(
        "{} txn --if \"create($HIRAETH_LOCK_KEY) = $HIRAETH_FENCING_TOKEN\" --then 'put guarded 1'",
        env!("CARGO_BIN_EXE_hiraeth")
    );
    let guarded = guarded.replace("hiraeth txn", "hiraeth kv txn");
    let done = lock(&[], &guarded);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);

    // One at a time; who waits for too long is told.
    let hold = ["lock", "job", "--", "sh", "-c", "echo held; sleep 60"];
    let mut holder = Running::start(&endpoint, &hold);
    assert_eq!(holder.line(), "held");
    let told = lock(&["--wait", "300ms"], "echo never");
    assert!(told.stdout.is_empty());
    assert!(told.failed(5).contains("was not had in 300ms"));
    assert_eq!(in_line(&endpoint).len(), 1, "the place in the line was given up");
    // A signal while waiting ends the waiting, and the place goes.
    let waiting = Running::start(&endpoint, &["lock", "job", "--", "echo", "never"]);
    until("it stands in the line", || in_line(&endpoint).len() == 2);
    signal(&waiting.process, Signal::TERM);
    assert_eq!(waiting.ends(), Some(128 + 15));
    assert_eq!(in_line(&endpoint).len(), 1);
    // Whatever goes wrong before the command is begun is told apart from what its end may leave unknown.
    let waiting = Running::start(&endpoint, &["lock", "job", "--", "echo", "never"]);
    until("it stands in the line", || in_line(&endpoint).len() == 2);
    let client = single.client().await;
    let all = line(&client, "job").await;
    client.delete(client::Delete::key(all[1].key.clone())).await.unwrap();
    assert_eq!(waiting.ends(), Some(5));
    // While the command runs, it is passed on.
    signal(&holder.process, Signal::TERM);
    assert_eq!(holder.ends(), Some(128 + 15));
    assert!(in_line(&endpoint).is_empty());

    // So many at a time, and no more.
    let slot = |script: &str| {
        Running::start(&endpoint, &["lock", "job", "--slots", "2", "--", "sh", "-c", script])
    };
    let mut two = [slot("echo held; sleep 60"), slot("echo held; sleep 60")];
    two.iter_mut().for_each(|it| assert_eq!(it.line(), "held"));
    let told = tool(&endpoint, &["lock", "job", "--slots", "2", "--wait", "300ms", "--", "true"]);
    told.failed(5);
    let told = tool(&endpoint, &["lock", "job", "--slots", "3", "--", "true"]).failed(2);
    assert!(told.contains("has 2 slots for others"), "{told}");
    let third = slot("exit 9");
    for it in two {
        signal(&it.process, Signal::INT);
        assert_eq!(it.ends(), Some(128 + 2));
    }
    assert_eq!(third.ends(), Some(9));
}

/// Before anything is said of it, and with all that it started.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_lock_is_lost_is_ended() {
    let single = Single::start().await;
    let endpoint = single.server.client.clone();
    let file = |name: &str| single.directory.path().join(name);
    let (told, deaf) = (file("told"), file("deaf"));
    // One of its processes does not listen, and nobody reads standard error, which is full.
    let script = format!(
        "sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & \
         trap 'touch {}; exit 3' TERM; echo held; wait",
        deaf.display(),
        told.display()
    );
    let (reader, mut writer) = std::io::pipe().unwrap();
    let errors = writer.try_clone().unwrap();
    std::thread::spawn(move || while writer.write_all(&[b'x'; 4096]).is_ok() {});
    let arguments = ["lock", "job", "--", "sh", "-c", &script];
    let mut holder = Running::start_with(&endpoint, &arguments, errors.into());
    assert_eq!(holder.line(), "held");
    let mut pid = String::new();
    until("all is at work", || {
        pid = std::fs::read_to_string(&deaf).unwrap_or_default().trim().to_owned();
        !pid.is_empty()
    });
    let is_at_work = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Whether somebody asks how it ended is not this program's.
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    assert!(is_at_work());
    let leases = tool(&endpoint, &["lease", "list", "--output", "json"]).json();
    tool(&endpoint, &["lease", "revoke", leases[0].as_str().unwrap()]).well();
    until("the command is told", || told.exists());
    assert_eq!(holder.ends(), Some(6));
    assert!(!is_at_work());
    drop(reader);
}

/// A server that never answers is waited for, but not by who asks twice to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_waits_for_no_server() {
    let single = Single::start().await;
    let wire = Wire::to(&single.server.client).await;
    let script =
        "trap 'trap \"\" INT; echo ended; exit 9' TERM; echo held; sleep 60 2> /dev/null & wait";
    let lock = ["lock", "job", "--timeout", "60s", "--ttl", "60", "--", "sh", "-c", script];
    let (mut errors, writer) = std::io::pipe().unwrap();
    let mut holder = Running::start_with(&wire.address, &lock, writer.into());
    assert_eq!(holder.line(), "held");
    wire.falls_silent();
    signal(&holder.process, Signal::TERM);
    assert_eq!(holder.line(), "ended");
    let mut ended = None;
    until("it ends", || {
        signal(&holder.process, Signal::INT);
        ended = holder.process.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(9));
    let mut told = String::new();
    errors.read_to_string(&mut told).unwrap();
    assert!(told.contains("was not given back") && told.contains("a signal came"), "{told}");
    // Nor does anything of who only waited.
    let told = tool(&wire.address, &["lock", "other", "--timeout", "1s", "--", "true"]).failed(5);
    assert!(told.contains("was not had"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_an_election_runs_its_command_and_the_next_follows() {
    let single = Single::start().await;
    let endpoint = single.server.client.clone();
    let client = single.client().await;
    let stand = |value: &'static str| {
        let script = "echo $HIRAETH_FENCING_TOKEN $HIRAETH_LOCK_KEY; sleep 60";
        Running::start(&endpoint, &["elect", "job", value, "--ttl", "5", "--", "sh", "-c", script])
    };
    let mut fences = Vec::new();
    let mut leader = stand("a");
    for (value, next) in [("a", "b"), ("b", "c")] {
        let told = leader.line();
        let (fence, key) = told.split_once(' ').unwrap();
        fences.push(fence.parse::<i64>().unwrap());
        let found = client.get(Get::key(key.to_owned())).await.unwrap().kvs;
        assert_eq!(
            (&found[0].value[..], found[0].create_revision),
            (value.as_bytes(), fences[fences.len() - 1])
        );
        let follower = stand(next);
        until("the next stands in the line", || in_line(&endpoint).len() == 2);
        signal(&leader.process, Signal::TERM);
        assert_eq!(leader.ends(), Some(128 + 15));
        leader = follower;
    }
    assert!(fences[1] > fences[0]);
    signal(&leader.process, Signal::TERM);
    leader.ends();
}
