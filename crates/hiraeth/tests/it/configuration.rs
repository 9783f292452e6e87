//! Configurations with the program, the Rust client and servers that are killed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use client::native::{ConfigOrigin, ConfigOutcome, ConfigVersion, NodeStatusResponse};
use client::{
    Client, ConfigContent, ConfigReader, Configuration, FollowOptions, Gray, Options, Release,
};
use types::Code;

use crate::program::{DEADLINE, program, signal, tool, tool_with, until, wait};
use crate::server::{Server, Single, Three, place};

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_releases_shows_and_goes_back() {
    let single = Single::start().await;
    let at = single.server.client.as_str();
    let put = |arguments: &[&str], content: &str| {
        let all = [&["config", "put", "shop/app.yaml"], arguments].concat();
        tool_with(at, &all, content.as_bytes())
    };
    let told = tool(at, &["config", "get", "shop/app.yaml"]).failed(3);
    assert!(
        told.contains("no such configuration: default/shop/app.yaml")
            && told.contains("config list"),
        "{told}"
    );
    assert_eq!(put(&["-m", "first"], "port: 80\nhost: a\n").well(), "version 1 is released\n");
    assert_eq!(put(&[], "port: 80\nhost: a\n").well(), "version 1 is current already\n");
    let told = put(&[], "port: : 80\n").failed(2);
    assert!(told.contains("the content is no yaml") && told.contains("line 1"), "{told}");
    assert_eq!(put(&["--expected", "1"], "port: 81\nhost: a\n").well(), "version 2 is released\n");
    let told = put(&["--expected", "1"], "port: 82\n").failed(4);
    assert!(
        told.contains("expected at version 1, and is at version 2") && told.contains("hint: "),
        "{told}"
    );
    assert_eq!(tool(at, &["config", "get", "shop/app.yaml"]).well(), "port: 81\nhost: a\n");
    assert_eq!(
        tool(at, &["config", "get", "shop/app.yaml", "--at", "1"]).well(),
        "port: 80\nhost: a\n"
    );
    let diff = tool(at, &["config", "diff", "shop/app.yaml"]).well();
    assert!(diff.contains("-port: 80\n+port: 81\n"), "{diff}");
    let history = tool(at, &["config", "history", "shop/app.yaml"]).well();
    let lines: Vec<&str> = history.lines().collect();
    assert!(
        lines.len() == 3 && lines[1].starts_with("2        current") && lines[2].ends_with("first"),
        "{history}"
    );
    let list = tool(at, &["config", "list", "--output", "json"]).json();
    assert_eq!(
        (list[0]["group"].as_str(), list[0]["stable"]["version"].as_u64()),
        (Some("shop"), Some(2))
    );
    assert_eq!(
        tool(at, &["config", "rollback", "shop/app.yaml"]).well(),
        "version 3 is released\n"
    );
    assert_eq!(
        tool(at, &["config", "get", "shop/app.yaml", "--stale"]).well(),
        "port: 80\nhost: a\n"
    );
    let told = tool(at, &["config", "rollback", "shop/app.yaml", "--to", "9"]).failed(3);
    assert!(told.contains("kept are 1 to 3"), "{told}");

    let schema = r#"{"properties": {"port": {"type": "integer"}}, "required": ["port"]}"#;
    let set = tool_with(at, &["config", "schema", "set", "shop/"], schema.as_bytes()).well();
    assert_eq!(set, "set; 1 current contents are allowed by it\n");
    assert_eq!(tool(at, &["config", "schema", "get", "shop/"]).well(), format!("{schema}\n"));
    let told = put(&[], "port: eighty\n").failed(2);
    assert!(told.contains("at /port: it is to be integer, and is string"), "{told}");
    let told = tool_with(at, &["config", "schema", "set", "shop/"], b"{\"type\": 1}").failed(2);
    assert!(told.contains("the schema at /type"), "{told}");
    tool(at, &["config", "schema", "remove", "shop/"]).well();

    let gray =
        ["config", "gray", "start", "shop/app.yaml", "--percent", "0.5", "--client", "host-1"];
    let shown = tool_with(at, &gray, b"port: 90\n").well();
    assert!(
        shown.contains("version 4 for 0.5 %, and for host-1; version 3 for the others"),
        "{shown}"
    );
    assert_eq!(
        tool(at, &["config", "get", "shop/app.yaml", "--id", "host-1"]).well(),
        "port: 90\n"
    );
    tool(at, &["config", "gray", "widen", "shop/app.yaml", "--percent", "10"]).well();
    let told = tool(at, &["config", "gray", "widen", "shop/app.yaml", "--percent", "5"]).failed(2);
    assert!(told.contains("10 % get it already"), "{told}");
    tool(at, &["config", "gray", "abort", "shop/app.yaml", "-m", "no good"]).well();
    let history = tool(at, &["config", "history", "shop/app.yaml"]).well();
    assert!(history.contains("aborted (no good)"), "{history}");
    tool(at, &["config", "gray", "status", "shop/app.yaml"]).failed(3);
    tool(at, &["config", "delete", "shop/app.yaml"]).well();
    assert_eq!(tool(at, &["config", "list", "--output", "json"]).well(), "[]\n");
}

/// `config watch -- COMMAND` runs it for each content; here it appends them to a file.
#[tokio::test(flavor = "multi_thread")]
async fn the_tool_runs_a_command_with_each_content() {
    let single = Single::start().await;
    let at = single.server.client.as_str();
    let seen = single.directory.path().join("seen");
    let script = format!("(echo $HIRAETH_CONFIG_VERSION; cat) >> {}", seen.display());
    let watching = Watching::start(at, &script, seen);
    for content in ["one\n", "two\n"] {
        tool_with(at, &["config", "put", "a"], content.as_bytes()).well();
        watching.until_seen(|text| text.ends_with(content));
    }
    watching.until_seen(|text| text == "1\none\n2\ntwo\n");
    watching.ends();
}

/// `config watch` of `a` at work, with a command that writes what it sees into a file.
pub(crate) struct Watching {
    process: Child,
    seen: PathBuf,
}

impl Watching {
    pub(crate) fn start(at: &str, script: &str, seen: PathBuf) -> Self {
        let process = program()
            .args(["config", "watch", "a", "--", "sh", "-c", script])
            .env("HIRAETH_ENDPOINTS", at)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, seen }
    }

    #[track_caller]
    pub(crate) fn until_seen(&self, is_it: impl Fn(&str) -> bool) {
        until("the command has seen it", || {
            std::fs::read_to_string(&self.seen).is_ok_and(|text| is_it(&text))
        });
    }

    #[track_caller]
    pub(crate) fn ends(mut self) {
        signal(&self.process, rustix::process::Signal::INT);
        assert!(wait(&mut self.process).success());
    }
}

pub(crate) fn text(content: &str) -> Release {
    Release { content: content.to_owned().into(), ..Release::default() }
}

fn number(content: &ConfigContent) -> Result<u32, String> {
    content.text().trim().parse().map_err(|error| format!("{error}"))
}

/// What is held becomes this; waits for it.
async fn becomes<T>(
    followed: &mut client::Followed<T>,
    what: &str,
    is_so: impl Fn(&client::Sight<T>) -> bool,
) {
    let waiting = async {
        while !is_so(&followed.sight()) {
            followed.changed().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "not so: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_follows_over_lost_servers_and_begins_without_any() {
    let mut single = Single::start().await;
    let file = single.directory.path().join("snapshots/workers");
    let options = || FollowOptions {
        reader: ConfigReader { id: "host-1".into(), labels: BTreeMap::new() },
        snapshot: Some(file.clone()),
        patience: Duration::from_secs(1),
    };
    let client = single.client().await;
    let workers = client.configuration("shop/workers");
    workers.release(&text("4")).await.unwrap();
    let mut followed = workers.follow_as(options(), number).await.unwrap();
    assert_eq!(followed.held().unwrap().value, 4);
    workers.release(&text("8")).await.unwrap();
    becomes(&mut followed, "8", |sight| sight.held.as_ref().unwrap().value == 8).await;
    // What makes no sense is told, and what was held stays.
    workers.release(&text("many")).await.unwrap();
    becomes(&mut followed, "rejected", |sight| sight.rejected.is_some()).await;
    let sight = followed.sight();
    assert_eq!((sight.held.unwrap().value, sight.rejected.unwrap().version), (8, 3));
    workers.rollback(2, "", None).await.unwrap();
    becomes(&mut followed, "8 again", |sight| sight.held.as_ref().unwrap().content.version == 4)
        .await;

    single.server.kill();
    becomes(&mut followed, "stale", |sight| sight.is_stale).await;
    assert_eq!(followed.held().unwrap().value, 8);
    // Another program begins while nobody answers.
    let other = Client::lazy([single.server.client.as_str()], Options::default()).unwrap();
    let other = other.configuration("shop/workers");
    let mut begun = other.follow_as(options(), number).await.unwrap();
    assert_eq!((begun.held().unwrap().value, begun.sight().is_stale), (8, true));
    // Without a snapshot there is nothing to begin with.
    let without = FollowOptions { snapshot: None, ..options() };
    assert!(other.follow(without).await.is_err());

    single.server.start(&[]);
    single.server.serves().await;
    for followed in [&mut followed, &mut begun] {
        becomes(followed, "fresh", |sight| !sight.is_stale).await;
    }
    workers.release(&text("16")).await.unwrap();
    for followed in [&mut followed, &mut begun] {
        becomes(followed, "16", |sight| sight.held.as_ref().unwrap().value == 16).await;
    }
    workers.delete(None).await.unwrap();
    becomes(&mut begun, "gone", |sight| sight.is_gone).await;
    assert_eq!(begun.held().unwrap().value, 16);
}

/// Who leads the configurations, as a place among the servers.
fn leads(status: &NodeStatusResponse) -> Option<usize> {
    let keyspace = status.keyspaces.iter().find(|keyspace| keyspace.name == "config")?;
    let region = status.regions.iter().find(|region| region.id == keyspace.region)?;
    (region.leader != 0).then(|| place(region.leader))
}

/// The newest version once no gray release is under way.
async fn ended(configuration: &Configuration) -> ConfigVersion {
    let began = std::time::Instant::now();
    loop {
        if let Ok(known) = configuration.history(0, 1).await
            && known.gray == 0
        {
            return known.versions.into_iter().next().unwrap();
        }
        assert!(began.elapsed() < DEADLINE, "the gray release does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_end_when_the_server_that_began_them_is_killed() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints();
    let all = Client::connect(endpoints.clone(), Options::default()).await.unwrap();
    let everywhere = all.configuration("a");
    everywhere.release(&text("stable")).await.unwrap();
    let canary = |lasts, promote| Gray {
        basis_points: Some(5_000),
        lasts: Some(Duration::from_secs(lasts)),
        failures: 2,
        promote,
        ..Gray::default()
    };
    // The one that leads the configurations begins it, and is gone.
    let killed = leads(&all.any_node_status().await.unwrap()).unwrap();
    let there = Client::connect([endpoints[killed].as_str()], Options::default()).await.unwrap();
    there.configuration("a").start_gray(&text("gray"), &canary(600, true)).await.unwrap();
    there.configuration("a").report("x", 0, true, "breaks").await.unwrap();
    three.servers[killed].kill();
    everywhere.report("y", 2, true, "breaks, too").await.unwrap();
    let last = ended(&everywhere).await;
    assert_eq!((last.version, last.outcome()), (2, ConfigOutcome::RolledBack), "{last:?}");
    assert!(last.outcome_why.contains("2 clients reported failure"), "{last:?}");
    let late = everywhere.report("z", 2, true, "").await.unwrap_err();
    assert_eq!(late.code(), Some(Code::GrayMissing));

    // The same by time: its end comes when the next leader is gone, too.
    three.start_one(killed);
    three.servers[killed].serves().await;
    crate::server::until_all_is_well(&endpoints.join(","));
    everywhere.start_gray(&text("gray"), &canary(3, true)).await.unwrap();
    let killed = leads(&all.any_node_status().await.unwrap()).unwrap();
    three.servers[killed].kill();
    let last = ended(&everywhere).await;
    assert_eq!((last.version, last.outcome()), (3, ConfigOutcome::Promoted), "{last:?}");
    let got = everywhere.get(&ConfigReader::default()).await.unwrap();
    assert_eq!((&got.content[..], got.gray), (&b"gray"[..], false));
}

/// A backup of the cluster has configurations with their past, and so has what is made of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_configurations_with_their_past() {
    let single = Single::start().await;
    let client = single.client().await;
    let configuration = client.configuration("prod/shop/app");
    for content in ["one", "two", "three"] {
        configuration.release(&text(content)).await.unwrap();
    }
    let gray = Gray { ids: vec!["host-1".into()], ..Gray::default() };
    configuration.start_gray(&text("gray"), &gray).await.unwrap();
    let file = single.directory.path().join("backup");
    let file = file.to_str().unwrap();
    tool(&single.server.client, &["admin", "backup", "--out", file]).well();

    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::new(directory.path(), "n1");
    let restored = program()
        .args([
            "restore",
            "--from",
            file,
            "--name",
            "n1",
            "--initial-cluster",
            &format!("n1={}", server.peer),
        ])
        .arg("--data-dir")
        .arg(&server.data)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    server.start(&["serve", "--name", "n1", "--initial-cluster", &format!("n1={}", server.peer)]);
    server.serves().await;
    let client = Client::connect([server.client.as_str()], Options::default()).await.unwrap();
    let configuration = client.configuration("prod/shop/app");
    let reader = |id: &str| ConfigReader { id: id.into(), labels: BTreeMap::new() };
    assert_eq!(configuration.get(&reader("")).await.unwrap().content, "three");
    assert_eq!(configuration.get(&reader("host-1")).await.unwrap().content, "gray");
    assert_eq!(configuration.version(1).await.unwrap().content, "one");
    configuration.promote_gray(0, "").await.unwrap();
    let made = configuration.rollback(1, "", None).await.unwrap().version.unwrap();
    assert_eq!((made.version, made.of, made.origin()), (5, 1, ConfigOrigin::Rollback));
}
