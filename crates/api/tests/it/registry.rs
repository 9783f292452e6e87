//! `hiraeth.v1.Registry` over three nodes: one stream, whichever node it is on.

use std::time::Duration;

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::server::Server;

struct Stream {
    out: mpsc::Sender<pb::OpenRequest>,
    told: Streaming<pb::OpenResponse>,
}

impl Stream {
    async fn open(server: &Server) -> Self {
        let (out, receiver) = mpsc::channel(16);
        let mut client = RegistryClient::new(server.channel.clone());
        let told = client.open(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Self { out, told }
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

    async fn register(&mut self, request: u64, instance: pb::Instance) -> pb::Answer {
        self.say(Ask::Register(pb::Register { request, instance: Some(instance) })).await;
        let answer = self.answer().await;
        assert_eq!(answer.request, request);
        answer
    }

    async fn subscribe(&mut self, subscription: u64, service: &str, version: i64) {
        let subscribe = pb::Subscribe {
            subscription,
            service: service.to_owned(),
            version,
            ..pb::Subscribe::default()
        };
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

fn instance(id: &str, port: u32, ttl_ms: u64) -> pb::Instance {
    pb::Instance {
        service: "web".into(),
        id: id.into(),
        address: "10.0.0.1".into(),
        port,
        ttl_ms,
        ..pb::Instance::default()
    }
}

fn ids(change: &pb::Change) -> Vec<(&str, pb::InstanceStatus)> {
    change.changed.iter().map(|it| (it.id.as_str(), it.status())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_registers_is_pushed_to_all() {
    pushed_to_all(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shards_what_one_registers_is_pushed_to_all() {
    pushed_to_all(4).await;
}

async fn pushed_to_all(shards: u32) {
    let servers = Server::start_sharded(3, shards).await;
    let mut streams = Vec::new();
    for server in &servers {
        let mut stream = Stream::open(server).await;
        stream.subscribe(7, "web", 0).await;
        let first = stream.update(7).await;
        assert!(first.everything && first.changed.is_empty(), "{first:?}");
        streams.push(stream);
    }
    let mut writer = Stream::open(&servers[1]).await;
    let one = writer.register(1, instance("one", 80, 60_000)).await;
    assert!(one.code == 0 && one.instance > 0, "{one:?}");
    let mut version = 0;
    for stream in &mut streams {
        let change = stream.update(7).await;
        assert_eq!(ids(&change), [("one", pb::InstanceStatus::Passing)]);
        assert!(!change.everything && change.version == one.revision, "{change:?}");
        version = change.version;
    }

    // Registering the same again changes nothing for anybody.
    let again = writer.register(2, instance("one", 80, 60_000)).await;
    assert_eq!(again.instance, one.instance);
    let two = writer.register(3, instance("two", 81, 0)).await;
    assert_eq!((two.code, two.instance), (0, 0), "it needs no beats");
    for stream in &mut streams {
        let change = stream.update(7).await;
        assert_eq!(ids(&change), [("two", pb::InstanceStatus::Passing)]);
    }

    // Who comes back with what it has, here or at another node, is told what it lacks.
    for server in &servers {
        let mut back = Stream::open(server).await;
        back.subscribe(1, "web", version).await;
        assert_eq!(ids(&back.update(1).await), [("two", pb::InstanceStatus::Passing)]);
        back.subscribe(2, "web", two.revision).await;
        let same = back.update(2).await;
        assert_eq!((same.changed.len(), same.gone.len(), same.version), (0, 0, two.revision));
        back.subscribe(2, "web", 0).await;
        assert_eq!(back.answer().await.code, i32::from(tonic::Code::InvalidArgument));
    }

    let gone = pb::Deregister {
        request: 4,
        namespace: String::new(),
        node: "10.0.0.1".into(),
        id: "one".into(),
    };
    writer.say(Ask::Deregister(gone)).await;
    assert_eq!(writer.answer().await.code, 0);
    for stream in &mut streams {
        let change = stream.update(7).await;
        assert_eq!(change.gone, [pb::Place { node: "10.0.0.1".into(), id: "one".into() }]);
    }

    // A beat for what is gone is told, on any node, and nothing else of the same message is lost.
    for stream in &mut streams {
        stream
            .say(Ask::Beats(pb::Beats { instances: vec![one.instance, 12_345], request: 0 }))
            .await;
        let Tell::Unknown(unknown) = stream.hear().await else { panic!("it is unknown") };
        assert_eq!(unknown.instances, [one.instance, 12_345]);
    }
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_pushed_and_beats_on_any_node_prevent_it() {
    silence_is_pushed(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shards_silence_is_pushed_and_beats_on_any_node_prevent_it() {
    silence_is_pushed(4).await;
}

async fn silence_is_pushed(shards: u32) {
    let servers = Server::start_sharded(3, shards).await;
    let mut streams = Vec::new();
    for server in &servers {
        streams.push(Stream::open(server).await);
    }
    streams[0].subscribe(1, "web", 0).await;
    streams[0].update(1).await;
    let lives = streams[1].register(1, instance("lives", 80, 1_000)).await.instance;
    let dies = streams[2].register(1, instance("dies", 81, 1_000)).await.instance;
    for _ in 0..2 {
        assert!(ids(&streams[0].update(1).await)[0].1 == pb::InstanceStatus::Passing);
    }
    for beat in 0..16 {
        streams[beat % 3].say(Ask::Beats(pb::Beats { instances: vec![lives], request: 0 })).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let change = streams[0].update(1).await;
    assert_eq!(ids(&change), [("dies", pb::InstanceStatus::Critical)]);
    // It comes back with its next beat, through another node.
    streams[0].say(Ask::Beats(pb::Beats { instances: vec![dies, lives], request: 0 })).await;
    let change = streams[0].update(1).await;
    assert_eq!(ids(&change), [("dies", pb::InstanceStatus::Passing)]);
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_the_stream_goes_on() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server).await;
    let bad = [
        pb::Instance::default(),
        pb::Instance { address: String::new(), ..instance("a", 80, 0) },
        instance("a", 70_000, 0),
        instance("a", 80, 999),
        pb::Instance { id: "x".repeat(600), ..instance("a", 80, 0) },
    ];
    for (instance, request) in bad.into_iter().zip(1..) {
        let answer = stream.register(request, instance).await;
        assert_eq!(answer.code, i32::from(tonic::Code::InvalidArgument), "{answer:?}");
        assert!(answer.message.starts_with("hiraeth: invalid request: "), "{answer:?}");
    }
    stream.subscribe(0, "web", 0).await;
    assert_eq!(stream.answer().await.code, i32::from(tonic::Code::InvalidArgument));
    stream.say(Ask::Unsubscribe(pb::Unsubscribe { subscription: 9 })).await;
    stream.say(Ask::Acknowledge(pb::Acknowledge { subscription: 9, version: -1 })).await;
    let answer = stream.register(77, instance("a", 80, 1_000)).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    server.stop().await;
}
