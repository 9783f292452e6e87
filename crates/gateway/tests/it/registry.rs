//! What many clients want of the registry is asked of a member once.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Client, Instance, Options};
use proto::etcdserverpb as etcd;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::calls::http;
use super::cluster::{Member, channel, in_front_of, members};

struct Stream {
    out: mpsc::Sender<pb::OpenRequest>,
    told: Streaming<pb::OpenResponse>,
}

impl Stream {
    async fn open(channel: &Channel) -> Self {
        Self::open_as(channel, None).await.unwrap()
    }

    async fn open_as(channel: &Channel, token: Option<&str>) -> Result<Self, Status> {
        let (out, receiver) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(receiver));
        if let Some(token) = token {
            request.metadata_mut().insert("token", token.parse().unwrap());
        }
        let told = RegistryClient::new(channel.clone()).open(request).await?.into_inner();
        Ok(Self { out, told })
    }

    async fn say(&self, ask: Ask) {
        self.out.send(pb::OpenRequest { ask: Some(ask) }).await.unwrap();
    }

    async fn hear(&mut self) -> Tell {
        let next = timeout(Duration::from_secs(20), self.told.message());
        next.await.unwrap().unwrap().unwrap().tell.unwrap()
    }

    async fn answer(&mut self) -> pb::Answer {
        match self.hear().await {
            Tell::Answer(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// Registers, and again while a member goes, as clients do.
    async fn register(&mut self, id: &str, ttl_ms: u64) -> pb::Answer {
        loop {
            let instance = Some(instance(id, ttl_ms));
            self.say(Ask::Register(pb::Register { request: 9, instance })).await;
            let answer = self.answer().await;
            if answer.code != i32::from(Code::Unavailable) {
                assert_eq!((answer.request, answer.code), (9, 0), "{answer:?}");
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn subscribe(&self, subscription: u64, version: i64) {
        let service = "web".to_owned();
        let namespace = String::new();
        let subscribe = pb::Subscribe { subscription, namespace, service, version };
        self.say(Ask::Subscribe(subscribe)).await;
    }

    async fn update(&mut self, subscription: u64) -> pb::Change {
        match self.hear().await {
            Tell::Update(update) => {
                assert_eq!(update.subscription, subscription);
                update.change.unwrap()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn instance(id: &str, ttl_ms: u64) -> pb::Instance {
    pb::Instance {
        service: "web".into(),
        id: id.into(),
        address: "10.0.0.1".into(),
        port: 80,
        ttl_ms,
        ..pb::Instance::default()
    }
}

fn ids(change: &pb::Change) -> Vec<&str> {
    change.changed.iter().map(|it| it.id.as_str()).collect()
}

/// Who is pushed the service, on all members.
async fn readers(members: &[Member]) -> Vec<String> {
    let mut labels = Vec::new();
    for member in members {
        let mut client = RegistryClient::new(channel(&member.address).await);
        let asked = pb::AuditRequest { service: "web".into(), ..pb::AuditRequest::default() };
        let audit = client.audit(asked).await.unwrap().into_inner();
        labels.extend(audit.readers.into_iter().map(|reader| reader.label));
    }
    labels
}

pub(crate) async fn metric(address: &str, name: &str) -> u64 {
    let text = http(address, "GET /metrics", "").await;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.next().unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_follow_and_a_member_is_asked_once() {
    let members = members(3).await;
    let address = in_front_of(&members).await;
    let channels = [channel(&address).await, channel(&address).await];
    let mut writer = Stream::open(&channel(&members[0].address).await).await;
    let one = writer.register("one", 0).await;
    let mut streams = Vec::new();
    for number in 0..300 {
        let mut stream = Stream::open(&channels[number % 2]).await;
        stream.subscribe(7, 0).await;
        let first = stream.update(7).await;
        assert!(first.everything && first.version == one.revision, "{first:?}");
        assert_eq!(ids(&first), ["one"]);
        streams.push(stream);
    }
    let told = readers(&members).await;
    assert!(told.len() == 1 && told[0].starts_with("gateway g1 "), "{told:?}");
    assert_eq!(metric(&address, "hiraeth_gateway_registry_services ").await, 1);
    assert_eq!(metric(&address, "hiraeth_gateway_registry_subscriptions ").await, 300);

    let two = writer.register("two", 0).await;
    for stream in &mut streams {
        let change = stream.update(7).await;
        assert_eq!((change.everything, change.version), (false, two.revision));
        assert_eq!(ids(&change), ["two"]);
    }

    // Who comes back with what it has is told what it lacks, here as at a member.
    let mut back = Stream::open(&channels[0]).await;
    back.subscribe(1, one.revision).await;
    assert_eq!(ids(&back.update(1).await), ["two"]);
    back.subscribe(2, two.revision).await;
    let same = back.update(2).await;
    assert_eq!((same.changed.len(), same.gone.len(), same.version), (0, 0, two.revision));
    back.subscribe(2, 0).await;
    assert_eq!(back.answer().await.code, i32::from(Code::InvalidArgument));
    back.say(Ask::Subscribe(pb::Subscribe { subscription: 5, ..pb::Subscribe::default() })).await;
    assert_eq!(back.answer().await.request, 5);

    // A version that was told elsewhere and of which nothing is to be seen here is confirmed, too.
    let other = instance("of another service", 0);
    let other = pb::Instance { service: "other".into(), ..other };
    writer.say(Ask::Register(pb::Register { request: 3, instance: Some(other) })).await;
    assert_eq!(writer.answer().await.code, 0);

    // When the last one leaves, so does the gateway.
    drop((streams, back));
    for _ in 0..100 {
        if readers(&members).await.is_empty() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the gateway still follows");
}

/// The member is killed that the gateway is at: what subscribers are told goes on where it was, and a
/// program of the SDK notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_killed_is_not_seen_by_subscribers() {
    let mut members = members(3).await;
    let address = in_front_of(&members).await;
    let shared = channel(&address).await;
    let sdk = Client::connect([address.as_str()], Options::default()).await.unwrap();
    let registry = sdk.registry(None);
    let followed = registry.follow("", "web").await.unwrap();
    let own =
        Instance { ttl: Some(Duration::from_secs(60)), ..Instance::new("web", "10.9.9.9", 1) };
    let kept = registry.register(own).await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..20 {
        let stream = Stream::open(&shared).await;
        stream.subscribe(1, 0).await;
        streams.push(stream);
    }
    let mut writer = Stream::open(&shared).await;
    let mut last = 0;
    for number in 0..30 {
        if number == 10 {
            let mut at = None;
            for (place, member) in members.iter().enumerate() {
                if !readers(std::slice::from_ref(member)).await.is_empty() {
                    at = Some(place);
                }
            }
            members.remove(at.expect("somebody pushes to the gateway")).kill().await;
        }
        last = writer.register(&format!("i{number:02}"), 0).await.revision;
    }
    for stream in &mut streams {
        let (mut have, mut known) = (0, BTreeMap::new());
        while have < last {
            let change = stream.update(1).await;
            let is_first = have == 0;
            assert!(change.version > have, "never back: {} after {have}", change.version);
            assert!(change.everything == is_first, "everything is told once");
            assert!(is_first || !change.changed.is_empty(), "an empty push");
            assert!(change.gone.is_empty(), "nobody went: {:?}", change.gone);
            for instance in change.changed {
                let before = known.insert(instance.id.clone(), instance.modified);
                assert!(before.is_none(), "{} was told twice", instance.id);
            }
            have = change.version;
        }
        assert_eq!(known.len(), 31);
    }
    for _ in 0..200 {
        if followed.instances().len() == 31 {
            kept.deregister().await.unwrap();
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{} instances are known", followed.instances().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn beats_of_many_go_in_few_messages_and_keep_alive() {
    let members = members(1).await;
    let address = in_front_of(&members).await;
    let shared = channel(&address).await;
    let mut streams = Vec::new();
    for number in 0..50 {
        let mut stream = Stream::open(&shared).await;
        let beat = stream.register(&format!("i{number}"), 1_500).await.instance;
        assert!(beat > 0);
        streams.push((stream, beat));
    }
    for _ in 0..10 {
        sleep(Duration::from_millis(300)).await;
        for (stream, beat) in &streams {
            stream.say(Ask::Beats(pb::Beats { instances: vec![*beat], request: 0 })).await;
        }
    }
    while metric(&address, "hiraeth_gateway_registry_beats_total ").await < 500 {
        sleep(Duration::from_millis(10)).await;
    }
    let messages = metric(&address, "hiraeth_gateway_registry_beat_messages_total ").await;
    assert!(messages < 125, "500 beats in {messages} messages");
    let mut seen = Stream::open(&channel(&members[0].address).await).await;
    seen.subscribe(1, 0).await;
    let everything = seen.update(1).await;
    assert_eq!(everything.changed.len(), 50);
    assert!(everything.changed.iter().all(|it| it.status() == pb::InstanceStatus::Passing));

    // Who beats for what nobody knows hears of it, and nobody else does.
    let (mut stream, beat) = streams.remove(0);
    let wrong = pb::Beats { instances: vec![beat, 12_345], request: 4 };
    stream.say(Ask::Beats(wrong)).await;
    let unknown = pb::Beats { instances: vec![12_345], request: 4 };
    assert_eq!(stream.hear().await, Tell::Unknown(unknown));
    assert_eq!(stream.answer().await, pb::Answer { request: 4, ..pb::Answer::default() });
    let (mut other, beat) = streams.remove(0);
    other.say(Ask::Beats(pb::Beats { instances: vec![beat], request: 5 })).await;
    assert_eq!(other.answer().await, pb::Answer { request: 5, ..pb::Answer::default() });

    // Silence is silence.
    loop {
        let change = seen.update(1).await;
        if change.changed.iter().any(|it| it.status() == pb::InstanceStatus::Critical) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_token_may_is_not_shared_with_another() {
    let members = members(1).await;
    let address = in_front_of(&members).await;
    let shared = channel(&address).await;
    let mut users = AuthClient::new(shared.clone());
    let user = |name: &str| etcd::AuthUserAddRequest {
        name: name.into(),
        password: "p".into(),
        ..etcd::AuthUserAddRequest::default()
    };
    users.user_add(user("root")).await.unwrap();
    users.user_add(user("nobody")).await.unwrap();
    let grant = etcd::AuthUserGrantRoleRequest { user: "root".into(), role: "root".into() };
    users.role_add(etcd::AuthRoleAddRequest { name: "root".into() }).await.ok();
    users.user_grant_role(grant).await.unwrap();
    let mut open = Stream::open(&shared).await;
    open.subscribe(1, 0).await;
    open.update(1).await;
    users.auth_enable(etcd::AuthEnableRequest {}).await.unwrap();
    // Who was let in without a name is not any more.
    let ended = loop {
        match timeout(Duration::from_secs(20), open.told.message()).await.unwrap() {
            Ok(told) => assert!(told.is_some(), "it ends with a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::InvalidArgument, "{ended:?}");

    let mut token = async |name: &str| {
        let name = name.to_owned();
        let request = etcd::AuthenticateRequest { name, password: "p".into() };
        users.authenticate(request).await.unwrap().into_inner().token
    };
    let (root, nobody) = (token("root").await, token("nobody").await);
    let mut of_root = Stream::open_as(&shared, Some(&root)).await.unwrap();
    of_root.subscribe(1, 0).await;
    of_root.update(1).await;
    let mut of_nobody = Stream::open_as(&shared, Some(&nobody)).await.unwrap();
    of_nobody.subscribe(6, 0).await;
    let refused = of_nobody.answer().await;
    assert_eq!((refused.request, refused.code), (6, i32::from(Code::PermissionDenied)));
    let rubbish = Stream::open_as(&shared, Some("rubbish")).await.map(drop).unwrap_err();
    assert_eq!(rubbish.code(), Code::Unauthenticated, "{rubbish:?}");
    let nameless = Stream::open_as(&shared, None).await.map(drop).unwrap_err();
    assert_eq!(nameless.code(), Code::InvalidArgument, "{nameless:?}");
}
