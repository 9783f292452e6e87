//! A registry whose services lie in shards: to those who ask it is one.

mod copies;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use node::{Beat, Consistency, Desk, Handle, NodeConfig, Orders, Scope, Topic, Unsent};
use state::command::Command;
use state::registry::query::{Indexed, InstanceFilter};
use state::registry::{
    Behavior, CatalogOp, Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition,
    Instance, InstanceKey, MACHINE, Name, Node, Registration, Registries, RegistryAnswer,
    RegistryCommand, ServiceName, Session, Status, Target, TimerId, TxnOp, Weights,
};
use state::response::Response;
use types::{Code, KeyspaceId, Revision};

use super::world::{Cluster, within};

const SHARDS: u32 = 3;

/// In shards, and no check waits for the time that a new leader gives all of them.
fn without_grace(config: &mut NodeConfig) {
    config.registry_shards = SHARDS;
    config.registry.grace_ms = 0;
}

fn node(name: &str, address: &str) -> Node {
    let pairs = || Arc::from([]);
    Node {
        name: name.into(),
        id: "".into(),
        address: address.into(),
        tagged_addresses: pairs(),
        meta: pairs(),
        created: Revision(0),
        modified: Revision(0),
    }
}

fn instance(node: &str, service: &str, id: &str, port: u16) -> Instance {
    Instance {
        node: node.into(),
        namespace: DEFAULT_NAMESPACE.into(),
        id: id.into(),
        service: service.into(),
        tags: Arc::from([Name::from(if port.is_multiple_of(2) { "even" } else { "odd" })]),
        address: "".into(),
        port,
        meta: Arc::from([]),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: Box::default(),
        zone: "".into(),
        extra: Box::default(),
        created: Revision(0),
        modified: Revision(0),
    }
}

/// `instance` is empty for a check of the node itself.
fn check(node: &str, instance: &str, id: &str, status: Status, ttl_ms: u64) -> CheckRegistration {
    let check = Check {
        node: node.into(),
        namespace: DEFAULT_NAMESPACE.into(),
        id: id.into(),
        instance: instance.into(),
        name: id.into(),
        status,
        notes: "".into(),
        output: "".into(),
        kind: "ttl".into(),
        definition: Definition { ttl_ms, ..Definition::default() },
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    };
    CheckRegistration { check, keep_status: false }
}

fn register(
    node: Node,
    instance: Option<Instance>,
    checks: Vec<CheckRegistration>,
) -> RegistryCommand {
    let replace_checks = false;
    let registration =
        Registration { node, skip_node_update: false, instance, checks, replace_checks };
    RegistryCommand::Register(Box::new(registration))
}

/// The registry, once every node knows it.
async fn known(cluster: &Cluster) -> KeyspaceId {
    let last = cluster.handles().len() - 1;
    let keyspace = cluster.handle(last).registry_keyspace().await.unwrap();
    for handle in cluster.handles() {
        assert_eq!(handle.registry_keyspace().await, Ok(keyspace));
    }
    keyspace
}

async fn change(
    handle: &Handle,
    keyspace: KeyspaceId,
    command: RegistryCommand,
) -> Result<RegistryAnswer, Code> {
    let what = format!("{command:?}");
    let done = within(&what, handle.propose(keyspace, Command::Registry(command))).await;
    let done = done.inspect_err(|fault| tracing::info!(%fault, what, "refused"));
    match done.map_err(|fault| fault.code)?.body {
        Response::Registry(answer) => Ok(answer),
        other => panic!("{other:?}"),
    }
}

async fn ask<T: Send>(
    handle: &Handle,
    keyspace: KeyspaceId,
    look: impl Fn(Registries<'_>) -> T + Send,
) -> T {
    let answer = handle.registry(keyspace, &Scope::Whole, Consistency::Linearizable, look);
    within("an answer", answer).await.unwrap().body
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(DEFAULT_NAMESPACE, name)
}

fn members(all: Registries<'_>, name: &str) -> Vec<String> {
    let found = all.service(&service(name), &InstanceFilter::default()).value;
    found
        .iter()
        .map(|it| format!("{} at {}: {:?}", it.instance.id, it.node.address, it.status()))
        .collect()
}

/// All that is shown, without revisions and without what only the home knows of a node's checks.
fn shown(all: Registries<'_>, names: &[&str], nodes: &[&str]) -> BTreeMap<String, (i64, String)> {
    let mut shown = BTreeMap::new();
    let mut tell = |of: String, index: Revision, what: String| {
        shown.insert(of, (index.get(), what));
    };
    let of_check = |check: &Check| {
        let Check { node, id, instance, status, output, .. } = check;
        format!("{node}/{instance}/{id} {status:?} {output:?}")
    };
    let of_instance =
        |it: &Instance| format!("{}/{}/{}:{} {:?}", it.node, it.service, it.id, it.port, it.tags);
    for name in names {
        let Indexed { index, value } = all.service(&service(name), &InstanceFilter::default());
        let value = value.iter().map(|member| {
            let checks: Vec<String> = member.checks.iter().map(|it| of_check(it)).collect();
            format!("{} on {}: {checks:?}", of_instance(&member.instance), member.node.address)
        });
        tell(format!("service {name}"), index, format!("{:?}", value.collect::<Vec<_>>()));
        let Indexed { index, value } = all.service_checks(&service(name));
        let value: Vec<String> = value.iter().map(|it| of_check(&it.check)).collect();
        tell(format!("checks of {name}"), index, format!("{value:?}"));
    }
    for name in nodes {
        let name: Name = (*name).into();
        let Indexed { index, value } = all.node(&name);
        let value = value.map(|it| {
            let on_it: Vec<String> = it.instances.iter().map(|it| of_instance(it)).collect();
            format!("{}: {on_it:?}", it.node.address)
        });
        tell(format!("node {name}"), index, format!("{value:?}"));
        let Indexed { index, value } = all.node_checks(&name);
        let mut value: Vec<String> = value.iter().map(|it| of_check(&it.check)).collect();
        value.sort();
        tell(format!("checks on {name}"), index, format!("{value:?}"));
    }
    let Indexed { index, value } = all.services(DEFAULT_NAMESPACE);
    tell("services".to_owned(), index, format!("{value:?}"));
    let Indexed { index, value } = all.nodes(&[]);
    let value: Vec<String> = value.iter().map(|it| format!("{} {}", it.name, it.address)).collect();
    tell("nodes".to_owned(), index, format!("{value:?}"));
    let Indexed { index, value } = all.checks(DEFAULT_NAMESPACE, None);
    let value: Vec<String> = value.iter().map(|it| of_check(&it.check)).collect();
    tell("checks".to_owned(), index, format!("{value:?}"));
    tell("counts".to_owned(), Revision(0), format!("{:?}", all.counts()));
    shown
}

/// A drawn number below `below`; the same for the same seed.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

fn any_change(seed: &mut u64, names: &[&str], nodes: &[&str]) -> RegistryCommand {
    let mut pick = |all: &[&'static str]| {
        let at = draw(seed, all.len() as u64);
        all[usize::try_from(at).unwrap()]
    };
    // Few ids, which belong to no service and no kind of check, so that they are in each other's way.
    let ids = ["i1", "i2", "i3"];
    let checks = ["c1", "c2", "c3"];
    let statuses = ["passing", "critical"];
    let (on, of, id) = (nodes, names, pick(&ids));
    let on = on[usize::try_from(draw(seed, on.len() as u64)).unwrap()];
    let of = of[usize::try_from(draw(seed, of.len() as u64)).unwrap()];
    let mut pick = |all: &[&'static str]| {
        let at = draw(seed, all.len() as u64);
        all[usize::try_from(at).unwrap()]
    };
    let named = pick(&checks);
    let status = if pick(&statuses) == "passing" { Status::Passing } else { Status::Critical };
    let address = pick(&["10.0.0.1", "10.0.0.2"]);
    let key = CheckKey::new(on, DEFAULT_NAMESPACE, named);
    let port = if address == "10.0.0.1" { 80 } else { 81 };
    match draw(seed, 16) {
        0..4 => {
            let checks = vec![check(on, id, named, status, 0)];
            register(node(on, address), Some(instance(on, of, id, port)), checks)
        }
        4 => register(node(on, address), Some(instance(on, of, id, port)), vec![]),
        5 => register(node(on, address), None, vec![check(on, "", named, status, 0)]),
        6 => register(node(on, address), None, vec![]),
        7 => register(node(on, address), None, vec![check(on, id, named, status, 0)]),
        8 => RegistryCommand::UpdateCheck { check: key, status, output: Some(address.into()) },
        9 => RegistryCommand::Deregister(Target::Instance(InstanceKey::new(
            on,
            DEFAULT_NAMESPACE,
            id,
        ))),
        10 => RegistryCommand::Deregister(Target::Check(key)),
        11..14 => {
            let about = InstanceKey::new(on, DEFAULT_NAMESPACE, id);
            let of_check = |at: &str| check(on, at, named, status, 0).check;
            let (index, instance) = (None, Box::new(instance(on, of, id, port)));
            let ops = [
                CatalogOp::GetNode { name: on.into(), id: "".into() },
                CatalogOp::SetNode { node: Box::new(node(on, address)), index },
                CatalogOp::DeleteNode { name: on.into(), index },
                CatalogOp::GetInstance(about.clone()),
                CatalogOp::SetInstance { instance, index },
                CatalogOp::DeleteInstance { key: about, index },
                CatalogOp::GetCheck(key.clone()),
                CatalogOp::SetCheck { check: Box::new(of_check(id)), index },
                CatalogOp::SetCheck { check: Box::new(of_check("")), index },
                CatalogOp::DeleteCheck { key, index },
            ];
            let count = 1 + draw(seed, 3);
            let ops = (0..count).map(|_| {
                let at = usize::try_from(draw(seed, ops.len() as u64)).unwrap();
                TxnOp::Catalog(ops[at].clone())
            });
            RegistryCommand::Txn(ops.collect())
        }
        _ => RegistryCommand::Deregister(Target::Node(on.into())),
    }
}

/// The same changes, one after the other, through any node: after each of them a sharded registry shows
/// what one that is not sharded does, on every node, and no index goes back.
#[tokio::test(flavor = "multi_thread")]
async fn in_shards_or_not_is_the_same_to_who_asks() {
    let cluster = Cluster::start(3, |config| config.registry_shards = SHARDS).await;
    let sharded = known(&cluster).await;
    let mut plain = sharded;
    for handle in cluster.handles() {
        plain = handle.machine_keyspace("plain", MACHINE).await.unwrap();
    }
    let names = ["web", "db", "cache", "mail", "auth", "log"];
    let nodes = ["host1", "host2", "host3"];
    let mut before: BTreeMap<String, (i64, String)> = BTreeMap::new();
    let mut seed = 20_261_129;
    let mut refused = 0;
    for round in 0..400 {
        let command = any_change(&mut seed, &names, &nodes);
        let at = usize::try_from(draw(&mut seed, 3)).unwrap();
        let what = format!("change {round}, at n{}: {command:?}", at + 1);
        tracing::info!(what, "change");
        let came = change(&cluster.handle(at), sharded, command.clone()).await;
        if came == Err(Code::Unsupported) {
            assert!(matches!(command, RegistryCommand::Txn(_)), "{what}");
            refused += 1;
            continue;
        }
        let wanted = change(&cluster.handle(at), plain, command).await;
        let is_done = |answer: &Result<RegistryAnswer, Code>| match answer {
            Ok(RegistryAnswer::Registered { timer, .. }) => Ok(timer.is_some()),
            Ok(RegistryAnswer::TxnDone(_)) => Ok(true),
            Ok(_) => Ok(false),
            Err(code) => Err(*code),
        };
        assert_eq!(is_done(&came), is_done(&wanted), "{what}");
        let at = cluster.handle(usize::try_from(draw(&mut seed, 3)).unwrap());
        let wanted = ask(&at, plain, |all| shown(all, &names, &nodes)).await;
        let came = ask(&at, sharded, |all| shown(all, &names, &nodes)).await;
        for (of, (index, now)) in &came {
            assert_eq!(now, &wanted[of].1, "{of} after {what}");
            let Some((known, was)) = before.get(of) else { continue };
            assert!(index >= known, "the index of {of} went back from {known} to {index}: {what}");
            let is_moved = index > known || of == "counts";
            assert!(was == now || is_moved, "{of} changed, its index did not: {what}");
        }
        before = came;
    }
    assert!((1..20).contains(&refused), "{refused} transactions were on more than one shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn beats_find_their_shard_and_waiters_are_woken_by_it() {
    let cluster = Cluster::start(3, without_grace).await;
    let keyspace = known(&cluster).await;
    let handle = cluster.handle(1);
    let names: Vec<String> = (0..8).map(|at| format!("service{at}")).collect();
    let mut timers = Vec::new();
    for name in &names {
        let id = format!("beats:{name}");
        let checks = vec![check("host", name, &id, Status::Critical, 1_500)];
        let command =
            register(node("host", "10.0.0.1"), Some(instance("host", name, name, 80)), checks);
        let answer = change(&handle, keyspace, command).await.unwrap();
        let RegistryAnswer::Registered { timer: Some(timer), .. } = answer else {
            panic!("{answer:?}")
        };
        timers.push(timer.0);
    }
    let parts: std::collections::BTreeSet<usize> =
        timers.iter().map(|timer| TimerId(*timer).part().0).collect();
    assert!(parts.len() > 1 && !parts.contains(&0), "{parts:?}");
    let mut asked = timers.clone();
    asked.extend([7, TimerId(timers[0]).part().1.0 | 1 << 57, u64::MAX]);
    let told = within("beats", cluster.handle(2).beats(keyspace, &asked)).await.unwrap();
    let mut wanted = vec![Beat::Stands(Status::Passing); timers.len()];
    wanted.extend([Beat::Unknown; 3]);
    assert_eq!(told, wanted);

    // Who waits for the list of services is woken by any shard, and who waits for one service by its own.
    let topic = || Topic::Services(DEFAULT_NAMESPACE.into());
    let list = |all: Registries<'_>| all.services(DEFAULT_NAMESPACE);
    let before = ask(&handle, keyspace, list).await.index;
    let waits = handle.registry_wait(keyspace, (topic(), before), Duration::from_secs(600), list);
    let one = service(&names[0]);
    let look = |all: Registries<'_>| all.service(&one, &InstanceFilter::default());
    let known = ask(&handle, keyspace, look).await.index;
    let patience = Duration::from_millis(1);
    let quiet = async {
        let command =
            register(node("host", "10.0.0.1"), Some(instance("host", "other", "o", 80)), vec![]);
        change(&cluster.handle(0), keyspace, command).await.unwrap();
        let topic = (Topic::Service(one.clone()), known);
        handle.registry_wait(keyspace, topic, patience, look).await.unwrap().body.index
    };
    let (woken, quiet) = within("both", async { tokio::join!(waits, quiet) }).await;
    let woken = woken.unwrap().body;
    assert!(woken.index > before && woken.value.contains_key("other"));
    assert_eq!(quiet, known, "nothing happened to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shards_cannot_do_is_refused_with_words() {
    let cluster = Cluster::start(1, |config| config.registry_shards = SHARDS).await;
    let handle = cluster.handle(0);
    let keyspace = handle.registry_keyspace().await.unwrap();
    let command =
        register(node("host", "10.0.0.1"), Some(instance("host", "web", "w", 80)), vec![]);
    change(&handle, keyspace, command).await.unwrap();
    let session = |service_checks: &[(&str, &str)]| {
        RegistryCommand::CreateSession(Box::new(Session {
            id: "s".into(),
            name: "".into(),
            node: "host".into(),
            lock_delay_ms: 0,
            behavior: Behavior::Release,
            ttl_ms: 0,
            node_checks: Arc::from([]),
            service_checks: service_checks
                .iter()
                .map(|(one, two)| (Name::from(*one), Name::from(*two)))
                .collect(),
            timer: TimerId(0),
            created: Revision(0),
            modified: Revision(0),
        }))
    };
    let refused = session(&[(DEFAULT_NAMESPACE, "beats")]);
    assert_eq!(change(&handle, keyspace, refused).await, Err(Code::Unsupported));
    change(&handle, keyspace, session(&[])).await.unwrap();
    let archive = handle.registry_archive(keyspace, Consistency::Linearizable).await;
    assert_eq!(archive.map(drop).map_err(|fault| fault.code), Err(Code::Unsupported));
    // Nodes may not be spoken for.
    let forged = RegistryCommand::Mirror(vec![]);
    assert_eq!(change(&handle, keyspace, forged).await, Err(Code::Unsupported));
}

/// One leader for all of it would be no more than a registry that is not sharded.
#[tokio::test(flavor = "multi_thread")]
async fn no_node_leads_much_more_of_it_than_another() {
    let cluster = Cluster::start(3, |config| config.registry_shards = 5).await;
    let keyspace = known(&cluster).await;
    let handle = cluster.handle(0);
    let directory = handle.directory();
    let parts: Vec<KeyspaceId> =
        directory.keyspaces.values().filter(|it| it.machine.is_some()).map(|it| it.id).collect();
    assert_eq!((parts.len(), parts.contains(&keyspace)), (6, true));
    let leaders = || {
        let mut counts: BTreeMap<Option<types::NodeId>, usize> = BTreeMap::new();
        for part in &parts {
            *counts.entry(handle.leader(*part)).or_default() += 1;
        }
        counts.into_values().collect::<Vec<usize>>()
    };
    let even = async {
        while leaders() != [2, 2, 2] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("leaders to be even", even).await;
}

/// Appliers hold several parts at once, in any order: who looks at all of them must not hold one while
/// waiting for another. It did, and a node stood still (`chaos --scenario life --instances` on a sharded
/// registry).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_at_all_parts_and_who_changes_them_are_not_in_each_others_way() {
    let cluster = Cluster::start(1, |config| config.registry_shards = 8).await;
    let keyspace = known(&cluster).await;
    let handle = cluster.handle(0);
    let writers: Vec<_> = (0..24)
        .map(|writer| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for round in 0..40 {
                    let name = format!("service{writer}-{round}");
                    let on = node("host", "10.0.0.1");
                    let command = register(on, Some(instance("host", &name, &name, 80)), vec![]);
                    change(&handle, keyspace, command).await.unwrap();
                }
            })
        })
        .collect();
    let looks = async {
        while writers.iter().any(|writer| !writer.is_finished()) {
            let list = |all: Registries<'_>| all.services(DEFAULT_NAMESPACE).value.len();
            let stale = handle.registry(keyspace, &Scope::Whole, Consistency::Stale, list);
            assert!(stale.await.unwrap().body <= 24 * 40);
            tokio::task::yield_now().await;
        }
    };
    within("all to be registered", looks).await;
    assert_eq!(ask(&handle, keyspace, |all| all.counts()).await, [1, 960, 960, 0]);
}

/// A command at the home would be carried out there, whatever part it is of.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_at_once_goes_to_its_part_or_not_at_all() {
    let cluster = Cluster::start(1, |config| config.registry_shards = SHARDS).await;
    let home = known(&cluster).await;
    let handle = cluster.handle(0);
    let first =
        || register(node("host", "10.0.0.1"), Some(instance("host", "web", "w", 80)), vec![]);
    let mut orders = Orders::new(Desk::new());
    let handed = handle.submit(home, Command::Registry(first()), &mut orders, 1, None);
    assert!(matches!(handed, Err(Unsent::NotNow(Command::Registry(_)))));
    assert!(handle.route(home, first()).is_err(), "its node is not known there yet");
    change(&handle, home, first()).await.unwrap();
    let routed = handle.route(home, first()).unwrap();
    assert!(routed.keyspace != home && matches!(routed.change, RegistryCommand::RegisterOn(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyspace_with_the_name_of_a_shard_is_told_of() {
    let cluster = Cluster::start(1, |config| config.registry_shards = 2).await;
    let handle = cluster.handle(0);
    handle.create_keyspace("registry.2").await.unwrap();
    let refused = within("a refusal", handle.registry_keyspace()).await.unwrap_err();
    assert_eq!(refused.code, Code::KeyspaceExists);
    assert!(refused.to_string().contains("registry.2"), "{refused}");
}
