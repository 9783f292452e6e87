//! The registry on three nodes: its clock is the leader's, every node takes words for it.

use std::sync::Arc;
use std::time::Duration;

use node::{Beat, Consistency, Handle, Scope, Topic};
use state::command::Command;
use state::registry::{
    Behavior, Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition, Instance,
    KvCondition, KvWrite, Node, Registration, RegistryCommand, ServiceName, Session, Status,
    TimerId, Weights,
};
use types::{KeyspaceId, Revision};

use super::world::{Cluster, within};

fn registration(id: &str, ttl_ms: u64) -> Command {
    let pairs = || Arc::from([]);
    let zero = Revision(0);
    let node = Node {
        name: "host".into(),
        id: "".into(),
        address: "10.0.0.1".into(),
        tagged_addresses: pairs(),
        meta: pairs(),
        created: zero,
        modified: zero,
    };
    let instance = Instance {
        node: "host".into(),
        namespace: DEFAULT_NAMESPACE.into(),
        id: id.into(),
        service: "web".into(),
        tags: Arc::from([]),
        address: "".into(),
        port: 80,
        meta: pairs(),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: Box::default(),
        zone: "".into(),
        extra: Box::default(),
        created: zero,
        modified: zero,
    };
    let check = Check {
        node: "host".into(),
        namespace: DEFAULT_NAMESPACE.into(),
        id: format!("service:{id}").into(),
        instance: id.into(),
        name: "beats".into(),
        status: Status::Critical,
        notes: "".into(),
        output: "".into(),
        kind: "ttl".into(),
        definition: Definition { ttl_ms, ..Definition::default() },
        timer: TimerId(0),
        created: zero,
        modified: zero,
    };
    Command::Registry(RegistryCommand::Register(Box::new(Registration {
        node,
        skip_node_update: false,
        instance: Some(instance),
        checks: vec![CheckRegistration { check, keep_status: false }],
        replace_checks: false,
    })))
}

fn key(id: &str) -> CheckKey {
    CheckKey::new("host", DEFAULT_NAMESPACE, &format!("service:{id}"))
}

fn web() -> ServiceName {
    ServiceName::new(DEFAULT_NAMESPACE, "web")
}

/// Waits on a node until every instance of the service stands so.
async fn stands(handle: &Handle, keyspace: KeyspaceId, wanted: Status) {
    let mut after = Revision(0);
    let look = async {
        loop {
            let ask = |registry: state::registry::Registries<'_>| {
                registry.service(&web(), &Default::default())
            };
            let topic = (Topic::Service(web()), after);
            let wait = Duration::from_secs(600);
            let answer = handle.registry_wait(keyspace, topic, wait, ask).await.unwrap().body;
            assert!(answer.index > after, "woken for something");
            after = answer.index;
            let members = &answer.value;
            if !members.is_empty() && members.iter().all(|it| it.status() == wanted) {
                return;
            }
        }
    };
    within(&format!("{wanted:?} everywhere"), look).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beats_count_on_every_node_and_silence_is_noticed() {
    let cluster = Cluster::start(3, |config| config.registry.grace_ms = 0).await;
    let keyspace = cluster.handle(1).registry_keyspace().await.unwrap();
    for handle in cluster.handles() {
        assert_eq!(handle.registry_keyspace().await.unwrap(), keyspace);
    }
    let ttl = 700;
    within("registering", cluster.handle(0).propose(keyspace, registration("w1", ttl)))
        .await
        .unwrap();
    for handle in cluster.handles() {
        assert_eq!(handle.beat(keyspace, &key("nobody"), Status::Passing).await, Ok(Beat::Unknown));
        let beat = handle.beat(keyspace, &key("w1"), Status::Passing).await;
        assert_eq!(beat, Ok(Beat::Stands(Status::Passing)), "what it changes is to be proposed");
    }
    let passing =
        RegistryCommand::UpdateCheck { check: key("w1"), status: Status::Passing, output: None };
    cluster.handle(2).propose(keyspace, Command::Registry(passing)).await.unwrap();
    for handle in cluster.handles() {
        stands(&handle, keyspace, Status::Passing).await;
    }
    let index = || async {
        let ask = |registry: state::registry::Registries<'_>| {
            registry.service(&web(), &Default::default()).index
        };
        cluster
            .handle(0)
            .registry(keyspace, &Scope::Service(web()), Consistency::Linearizable, ask)
            .await
            .unwrap()
            .body
    };
    let before = index().await;
    // Three times as long as it lives in silence; each beat on another node.
    for round in 0..15 {
        tokio::time::sleep(Duration::from_millis(ttl / 5)).await;
        let handle = cluster.handle(round % 3);
        let beat = handle.beat(keyspace, &key("w1"), Status::Passing).await;
        assert_eq!(beat, Ok(Beat::Counted));
    }
    assert_eq!(index().await, before, "beats that change nothing are no writes");
    for handle in cluster.handles() {
        stands(&handle, keyspace, Status::Critical).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_next_gives_everything_its_time_again() {
    let cluster = Cluster::start(3, |config| config.registry.grace_ms = 60_000).await;
    let keyspace = cluster.handle(0).registry_keyspace().await.unwrap();
    cluster.handle(0).propose(keyspace, registration("w1", 1_000)).await.unwrap();
    let session = |id: &str| Session {
        id: id.into(),
        name: "".into(),
        node: "host".into(),
        lock_delay_ms: 60_000,
        behavior: Behavior::Release,
        ttl_ms: 10_000,
        node_checks: Arc::from([]),
        service_checks: Arc::from([]),
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    };
    let create = Command::Registry(RegistryCommand::CreateSession(Box::new(session("s1"))));
    cluster.handle(1).propose(keyspace, create).await.unwrap();
    let passing =
        RegistryCommand::UpdateCheck { check: key("w1"), status: Status::Passing, output: None };
    cluster.handle(2).propose(keyspace, Command::Registry(passing)).await.unwrap();
    let mut moves = 0;
    for target in 0..3 {
        // Asked everywhere: only who leads can hand over.
        let node = cluster.handle(target).node();
        for handle in cluster.handles() {
            moves += u32::from(handle.move_leader(keyspace, node).await.is_ok());
        }
        for handle in cluster.handles() {
            let renewed = within("a renewal", handle.renew_session(keyspace, "s1")).await.unwrap();
            assert_eq!(renewed.map(|it| it.ttl_ms), Some(10_000));
            assert_eq!(handle.renew_session(keyspace, "nobody").await.unwrap(), None);
        }
    }
    assert!(moves >= 2, "leadership moved {moves} times");
    // Within the grace of whoever leads now, the silent stay.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for handle in cluster.handles() {
        stands(&handle, keyspace, Status::Passing).await;
        let delayed = handle.lock_is_delayed(keyspace, "k".into()).await;
        assert_eq!(delayed, Ok(false));
    }
    let write = |condition| {
        Command::Registry(RegistryCommand::Kv(KvWrite {
            key: "k".into(),
            value: "v".into(),
            flags: 0,
            condition,
        }))
    };
    cluster.handle(0).propose(keyspace, write(KvCondition::Acquire("s1".into()))).await.unwrap();
    let destroy = Command::Registry(RegistryCommand::DestroySession { id: "s1".into() });
    cluster.handle(1).propose(keyspace, destroy).await.unwrap();
    for handle in cluster.handles() {
        assert_eq!(handle.lock_is_delayed(keyspace, "k".into()).await, Ok(true));
        assert_eq!(handle.lock_is_delayed(keyspace, "other".into()).await, Ok(false));
        assert_eq!(handle.renew_session(keyspace, "s1").await.unwrap(), None);
    }
    cluster.stop_all().await;
}
