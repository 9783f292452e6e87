//! Users over restarts of real servers: what was acknowledged while a node was away holds on it from
//! its first answer on, and tokens outlive the process that gave them.

use std::time::Duration;

use client::{Client, Error, FollowOptions, Instance, Options, Put, User, Watch};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::etcdserverpb::kv_client::KvClient;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::configuration::text;
use crate::program::{DEADLINE, tool};
use crate::server::{Server, Three};

pub(crate) async fn channel(server: &Server) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", server.client)).unwrap();
    let connected = async {
        loop {
            match endpoint.connect().await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, connected).await.unwrap()
}

fn put(token: Option<&str>) -> Request<pb::PutRequest> {
    let mut put = Request::new(pb::PutRequest { key: "k".into(), ..Default::default() });
    if let Some(token) = token {
        put.metadata_mut().insert("token", MetadataValue::try_from(token).unwrap());
    }
    put
}

/// Asks until it is answered otherwise than that there is nobody to ask.
async fn settled(channel: &Channel, token: Option<&str>) -> Result<(), tonic::Status> {
    let answered = async {
        loop {
            match KvClient::new(channel.clone()).put(put(token)).await {
                Err(status) if status.code() == Code::Unavailable => {}
                answer => return answer.map(drop),
            }
        }
    };
    tokio::time::timeout(DEADLINE, answered).await.unwrap()
}

pub(crate) async fn add_root(auth: &mut AuthClient<Channel>) {
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
    auth.user_add(add).await.unwrap();
    let (user, role) = ("root".to_owned(), "root".to_owned());
    auth.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_lets_nobody_in_by_what_it_knew() {
    let mut three = Three::start().await;
    let first = channel(&three.servers[0]).await;
    let mut auth = AuthClient::new(first.clone());
    add_root(&mut auth).await;
    three.servers[2].kill();
    // It is not there to be asked, and that holds up nobody for long.
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let login = auth.authenticate(pb::AuthenticateRequest { name, password }).await.unwrap();
    let token = login.into_inner().token;

    three.start_one(2);
    let third = channel(&three.servers[2]).await;
    let refused = settled(&third, None).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: user name is empty");
    settled(&third, Some(&token)).await.unwrap();

    // All of them anew: the token is as good as before, and so is what it needs.
    for at in 0..3 {
        three.servers[at].stop();
    }
    (0..3).for_each(|at| three.start_one(at));
    for server in &three.servers {
        let channel = channel(server).await;
        settled(&channel, Some(&token)).await.unwrap();
        let refused = settled(&channel, None).await.unwrap_err();
        assert_eq!(refused.message(), "etcdserver: user name is empty");
        assert!(!server.log().contains("secret"), "a clear password in a log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_logs_in_and_again_and_the_tool_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::new(directory.path(), "users");
    server.start(&["--auth-token-ttl-s", "1"]);
    server.serves().await;
    let connect = |user: Option<(&str, &str)>| {
        let user = user
            .map(|(name, password)| User { name: name.to_owned(), password: password.to_owned() });
        Client::connect([server.client.clone()], Options { user, ..Options::default() })
    };
    // Nobody's name is asked for yet, and a client that has one is none the worse for it.
    let root = connect(Some(("root", "secret"))).await.unwrap();
    root.put(Put::new("k", "1")).await.unwrap();
    let mut watcher = root.watch(Watch::key("k")).await.unwrap();
    let mut auth = AuthClient::new(channel(&server).await);
    add_root(&mut auth).await;
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();

    // The watch that was opened without a name is opened anew with it.
    root.put(Put::new("k", "2")).await.unwrap();
    let told = tokio::time::timeout(DEADLINE, watcher.next()).await.unwrap().unwrap();
    assert_eq!(told.changes[0].kv.value, "2");
    // Longer than a token lives that nobody uses: the client's, and this one, which shows that it is over.
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let login = auth.authenticate(pb::AuthenticateRequest { name, password }).await.unwrap();
    let unused = login.into_inner().token;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ended = settled(&channel(&server).await, Some(&unused)).await.unwrap_err();
    assert_eq!(ended.message(), "etcdserver: invalid auth token");
    root.put(Put::new("k", "3")).await.unwrap();
    for wrong in [None, Some(("root", "other")), Some(("nobody", "secret"))] {
        let refused = match connect(wrong).await {
            Ok(nobody) => nobody.get("k").await.unwrap_err(),
            Err(error) => error,
        };
        let code = if wrong.is_some() { types::Code::AuthFailed } else { types::Code::UserEmpty };
        assert!(matches!(&refused, Error::Server { code: told, .. } if *told == code), "{refused}");
    }

    let get = |user: &[&str]| tool(&server.client, &[&["kv", "get", "k"], user].concat());
    assert!(get(&["--user", "root:secret"]).well().contains('3'));
    assert!(get(&["--user", "root", "--password", "secret"]).well().contains('3'));
    assert!(get(&[]).failed(2).contains("say who asks with --user NAME:PASSWORD"));
    assert!(get(&["--user", "root"]).failed(2).contains("the password of \"root\" is missing"));
    assert!(get(&["--password", "secret"]).failed(2).contains("--user says who asks"));
    assert!(get(&["--user", "root:other"]).failed(4).contains("authentication failed"));
}

/// A server that knows `root` and another one who may do as much; and how to end that one's tokens, which is
/// done by giving it the password that it has.
struct Named {
    _directory: tempfile::TempDir,
    server: Server,
    root: AuthClient<Channel>,
    token: MetadataValue<tonic::metadata::Ascii>,
}

impl Named {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::new(directory.path(), "named");
        server.start(&[]);
        server.serves().await;
        let mut root = AuthClient::new(channel(&server).await);
        add_root(&mut root).await;
        let (name, password) = ("bob".to_owned(), "word".to_owned());
        let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
        root.user_add(add).await.unwrap();
        let (user, role) = ("bob".to_owned(), "root".to_owned());
        root.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
        root.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
        let (name, password) = ("root".to_owned(), "secret".to_owned());
        let login = root.authenticate(pb::AuthenticateRequest { name, password }).await.unwrap();
        let token = login.into_inner().token.parse().unwrap();
        Self { _directory: directory, server, root, token }
    }

    async fn bob(&self) -> Client {
        let user = Some(User { name: "bob".to_owned(), password: "word".to_owned() });
        let options = Options { user, ..Options::default() };
        Client::connect([self.server.client.as_str()], options).await.unwrap()
    }

    async fn end_tokens_of_bob(&mut self) {
        let (name, password) = ("bob".to_owned(), "word".to_owned());
        let change = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
        let mut request = Request::new(change);
        request.metadata_mut().insert("token", self.token.clone());
        self.root.user_change_password(request).await.unwrap();
    }

    /// Waits until a watch is running again, on the `count`-th stream that was opened for it.
    async fn is_watched(&self, count: u32) {
        const STREAMS: &str = "grpc_server_started_total{grpc_type=\"bidi_stream\",\
                               grpc_service=\"etcdserverpb.Watch\",grpc_method=\"Watch\"}";
        let nobody =
            Client::connect([self.server.client.as_str()], Options::default()).await.unwrap();
        let wanted = [format!("{STREAMS} {count}"), "hiraeth_watches 1".to_owned()];
        let watched = async {
            loop {
                let text = nobody.metrics(&self.server.client).await.unwrap();
                if wanted.iter().all(|wanted| text.lines().any(|line| line == wanted)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, watched).await.unwrap_or_else(|_| panic!("not {wanted:?}"));
    }
}

/// A token may end more often than anything happens that a watch would tell of.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_logs_in_again_each_time_its_token_ends() {
    let mut named = Named::start().await;
    let bob = named.bob().await;
    let mut watcher = bob.watch(Watch::key("k")).await.unwrap();
    let watching = tokio::spawn(async move { watcher.next().await });
    for count in 1..4 {
        named.is_watched(count).await;
        named.end_tokens_of_bob().await;
    }
    bob.put(Put::new("k", "1")).await.unwrap();
    let told = tokio::time::timeout(DEADLINE, watching).await.unwrap().unwrap().unwrap();
    assert_eq!(told.changes[0].kv.value, "1");
}

/// The same of who follows a configuration.
#[tokio::test(flavor = "multi_thread")]
async fn who_follows_logs_in_again_each_time_its_token_ends() {
    let mut named = Named::start().await;
    let configuration = named.bob().await.configuration("a");
    configuration.release(&text("one")).await.unwrap();
    let mut followed = configuration.follow(FollowOptions::default()).await.unwrap();
    for _ in 0..3 {
        named.end_tokens_of_bob().await;
        // Told as stale, and then as fresh: both may be seen at once.
        let again = async {
            followed.changed().await.unwrap();
            while followed.sight().is_stale {
                followed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, again).await.unwrap();
    }
}

/// What is asked beside gRPC is asked again with another token, whether users alone have tokens or not.
#[tokio::test(flavor = "multi_thread")]
async fn http_is_asked_again_with_another_token() {
    let mut named = Named::start().await;
    let bob = named.bob().await;
    let address = named.server.client.clone();
    let put = |value: &'static str| bob.http(&address, "PUT", "/v1/kv/k", value.into());
    assert_eq!(put("1").await.unwrap().status, 200);
    for (value, has_acl) in [("2", false), ("3", true)] {
        if has_acl {
            named.server.stop();
            named.server.start(&["--acl", "on"]);
            settled(&channel(&named.server).await, named.token.to_str().ok()).await.unwrap();
        }
        named.end_tokens_of_bob().await;
        let answer = put(value).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        let read = bob.http(&address, "GET", "/v1/kv/k?raw", Vec::new()).await.unwrap();
        assert_eq!(read.text, value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_stays_so_when_its_token_ends_and_the_server_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::new(directory.path(), "registrations");
    let settings = ["--auth-token-ttl-s", "1"];
    server.start(&settings);
    server.serves().await;
    let mut auth = AuthClient::new(channel(&server).await);
    add_root(&mut auth).await;
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    let user = Some(User { name: "root".to_owned(), password: "secret".to_owned() });
    let options = Options { user, ..Options::default() };
    let client = Client::connect([server.client.clone()], options).await.unwrap();
    let registry = client.registry(Some("test"));
    let first = registry.register(Instance::new("web", "10.0.0.1", 80)).await.unwrap();
    let mut web = registry.follow("", "web").await.unwrap();
    assert_eq!(web.passing().len(), 1);

    // Longer than the token lives, then nobody is there for a while.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.stop();
    server.start(&settings);
    let again = registry.register(Instance::new("web", "10.0.0.2", 80));
    let second = tokio::time::timeout(DEADLINE, again).await.unwrap().unwrap();
    let both = async {
        while web.passing().len() != 2 {
            web.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, both).await.unwrap();
    second.deregister().await.unwrap();
    drop(first);
    let none = async {
        while !web.instances().is_empty() {
            web.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, none).await.unwrap();
}
