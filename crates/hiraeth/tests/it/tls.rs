//! A cluster of three that speaks TLS everywhere, with certificates that `hiraeth cert` made: who is let in,
//! as whom, and what is said to the others; and new certificates while clients come and go.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use client::{Client, Error, Options, Put, Tls};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use rustix::process::{Pid, Signal, kill_process};
use tls::{Dial, Files, Set};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::program::{DEADLINE, Ended, program, tool, until};
use crate::server::Server;

/// Certificates in a folder.
struct Certificates(PathBuf);

impl Certificates {
    /// Of an authority, with a user `root`.
    fn new(folder: PathBuf) -> Self {
        let certificates = Self(folder);
        certificates.make(&["ca"]);
        certificates.make(&["client", "root"]);
        certificates
    }

    fn make(&self, what: &[&str]) -> String {
        let made = program().arg("cert").args(what).arg("--dir").arg(&self.0).output().unwrap();
        assert!(made.status.success(), "{what:?}: {made:?}");
        String::from_utf8(made.stdout).unwrap()
    }

    fn node(&self, name: &str, more: &[&str]) {
        self.make(&[&["node", name, "--address", "127.0.0.1"], more].concat());
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn text(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    fn of(&self, name: &str) -> Files {
        Files {
            cert: Some(self.path(&format!("{name}.crt"))),
            key: Some(self.path(&format!("{name}.key"))),
            trusted_ca: Some(self.path("ca.crt")),
        }
    }

    fn options(&self, name: &str) -> Options {
        let Files { cert, key, trusted_ca } = self.of(name);
        let tls = Some(Tls::from_files(trusted_ca, cert, key).unwrap());
        Options { tls, timeout: DEADLINE, ..Options::default() }
    }

    /// Runs the tool as the holder of a certificate.
    fn tool(&self, name: &str, endpoints: &str, arguments: &[&str]) -> Ended {
        let (ca, cert, key) = (
            self.text("ca.crt"),
            self.text(&format!("{name}.crt")),
            self.text(&format!("{name}.key")),
        );
        let files = ["--cacert", &ca, "--cert", &cert, "--key", &key];
        tool(endpoints, &[arguments, &files].concat())
    }
}

/// Three servers with certificates of their own.
struct Secured {
    certificates: Certificates,
    servers: Vec<Server>,
    _directory: tempfile::TempDir,
}

impl Secured {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(directory.path().join("certs"));
        let names = ["n1", "n2", "n3"];
        let mut servers: Vec<_> = names.map(|name| Server::new(directory.path(), name)).into();
        let members: Vec<_> =
            servers.iter().map(|it| format!("{}=https://{}", it.name, it.peer)).collect();
        for server in &mut servers {
            let name = server.name.clone();
            certificates.node(&name, &[]);
            let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
            let (cert, key) = (certificates.text(&cert), certificates.text(&key));
            let ca = certificates.text("ca.crt");
            server.start(&[
                "serve",
                "--name",
                &name,
                "--initial-cluster",
                &members.join(","),
                "--cert-file",
                &cert,
                "--key-file",
                &key,
                "--trusted-ca-file",
                &ca,
                "--client-cert-auth",
                "--peer-cert-file",
                &cert,
                "--peer-key-file",
                &key,
                "--peer-trusted-ca-file",
                &ca,
            ]);
        }
        let secured = Self { certificates, servers, _directory: directory };
        for server in &secured.servers {
            let connected = Client::connect([&server.client], secured.certificates.options("root"));
            if let Err(error) = connected.await.unwrap().get("a key").await {
                panic!("{} does not serve: {error}\n{}", server.name, server.log());
            }
        }
        secured
    }

    fn endpoints(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("https://{}", server.client)).collect()
    }

    /// The connection of etcd's services, as the holder of a certificate.
    async fn channel(&self, name: &str) -> Channel {
        let dial = Dial::new(Set::outgoing("test", self.certificates.of(name), None).unwrap());
        let endpoint = Endpoint::from_shared(format!("http://{}", self.servers[0].client)).unwrap();
        endpoint.connect_with_connector(dial).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_speak_tls_everywhere_and_tell_who_is_not_let_in() {
    let secured = Secured::start().await;
    let certificates = &secured.certificates;
    let endpoints = secured.endpoints();
    let root = Client::connect(endpoints.clone(), certificates.options("root")).await.unwrap();
    root.put(Put::new("k", "v")).await.unwrap();

    // The tool says how all are, by addresses that the nodes named themselves.
    let status = || certificates.tool("root", &endpoints[0], &["status", "--output", "json"]);
    until("all hear each other", || status().code == 0);
    let status = status().json();
    assert_eq!(status["nodes"].as_array().unwrap().len(), 3);
    assert!(
        status["nodes"].as_array().unwrap().iter().all(|node| node["reachable"] == true),
        "{status}"
    );
    let members = root.members().await.unwrap();
    assert!(members.iter().all(|it| it.client_urls[0].starts_with("https://")), "{members:?}");

    let first = &secured.servers[0];
    let refused = async |options: Options, endpoint: &str| {
        let options = Options { timeout: Duration::from_secs(5), rounds: 1, ..options };
        let client = Client::lazy([endpoint], options).unwrap();
        client.put(Put::new("k", "other")).await.unwrap_err().to_string()
    };
    let tls = |name: Option<&str>, ca: PathBuf| {
        let Files { cert, key, .. } = name.map(|it| certificates.of(it)).unwrap_or_default();
        let tls = Some(Tls::from_files(Some(ca), cert, key).unwrap());
        Options { tls, ..Options::default() }
    };
    let elsewhere = Certificates::new(certificates.0.join("elsewhere"));
    // Without a certificate, with one of another authority, to a node of another authority, in plain text.
    let told = refused(tls(None, certificates.path("ca.crt")), &first.client).await;
    assert!(told.contains("wants a certificate, and got none"), "{told}");
    let mut strange = elsewhere.options("root");
    let Files { cert, key, .. } = elsewhere.of("root");
    strange.tls = Some(Tls::from_files(certificates.of("n1").trusted_ca, cert, key).unwrap());
    let told = refused(strange, &first.client).await;
    assert!(told.contains("its authority is not trusted there"), "{told}");
    let told = refused(tls(Some("root"), elsewhere.path("ca.crt")), &first.client).await;
    assert!(told.contains("from an authority that is not trusted here"), "{told}");
    let told = refused(Options::default(), &format!("http://{}", first.client)).await;
    assert!(!told.is_empty());
    until("the log says what came", || {
        let log = first.log();
        log.contains("it speaks plain text, and this port speaks TLS only")
            && log.contains("it brings no certificate")
    });
    assert_eq!(root.get("k").await.unwrap().kvs[0].value, "v");

    // A user's certificate is none of a peer, and an unknown authority vouches for nobody.
    for (files, words) in [
        (certificates.of("root"), "lacks the role"),
        (
            Files { trusted_ca: certificates.of("n1").trusted_ca, ..elsewhere.of("root") },
            "not trusted",
        ),
    ] {
        let dial = Dial::new(Set::outgoing("test", files, None).unwrap());
        let told = async {
            let mut stream = dial.connect(&first.peer).await?;
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let told = timeout(DEADLINE, told).await.unwrap().unwrap_err().to_string();
        assert!(told.contains(words), "{told}");
    }
    let mut plain = TcpStream::connect(&first.peer).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(DEADLINE, plain.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    until("the log says what came to the peer port", || first.log().contains("port=\"peer\""));

    users(&secured).await;
    gateway(&secured).await;
}

/// A gateway speaks TLS on both sides; its certificate is no user's, whoever comes through it.
async fn gateway(secured: &Secured) {
    let certificates = &secured.certificates;
    certificates.make(&["gateway", "g1", "--address", "127.0.0.1"]);
    let port = crate::ports::free(1);
    let (client, http) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", port + 1));
    let [cert, key, ca] = ["g1.crt", "g1.key", "ca.crt"].map(|file| certificates.text(file));
    let user = [certificates.text("alice.crt"), certificates.text("alice.key")];
    let start = |upwards: [&str; 2]| {
        let mut command = program();
        command.args([
            "serve",
            "--role",
            "gateway",
            "--listen-client",
            &client,
            "--listen-http",
            &http,
        ]);
        command.args(["--endpoints", &secured.endpoints().join(",")]);
        command.args(["--cert-file", &cert, "--key-file", &key, "--trusted-ca-file", &ca]);
        command.args(["--endpoints-cert-file", upwards[0], "--endpoints-key-file", upwards[1]]);
        command.args(["--endpoints-trusted-ca-file", &ca]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    // With a user's certificate everybody behind it would be that user.
    let ended = start([&user[0], &user[1]]).wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("is not for a gateway"), "{told}");

    let mut process = start([&cert, &key]);
    let through = Client::connect([&client], certificates.options("alice")).await.unwrap();
    let refused = through.get("a1").await.unwrap_err();
    let plain = Client::lazy([format!("http://{client}")], Options::default()).unwrap();
    let unread = timeout(Duration::from_secs(1), plain.get("a1")).await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(matches!(&refused, Error::Server { code: types::Code::UserEmpty, .. }), "{refused}");
    assert!(!matches!(unread, Ok(Ok(_))));
}

/// Who brings no token is the user that its certificate names, but by JSON, and but for nodes.
async fn users(secured: &Secured) {
    let certificates = &secured.certificates;
    certificates.make(&["client", "alice"]);
    certificates.make(&["client", "nobody"]);
    certificates.node("spare", &[]);
    let mut auth = AuthClient::new(secured.channel("root").await);
    for name in ["root", "alice", "spare"] {
        let (user, role) = (name.to_owned(), name.to_owned());
        let options = Some(proto::authpb::UserAddOptions { no_password: true });
        let add = pb::AuthUserAddRequest { name: user.clone(), options, ..Default::default() };
        auth.user_add(add).await.unwrap();
        auth.role_add(pb::AuthRoleAddRequest { name: role.clone() }).await.unwrap();
        auth.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
    }
    let perm = proto::authpb::Permission {
        perm_type: proto::authpb::permission::Type::Readwrite.into(),
        key: "a".into(),
        range_end: "b".into(),
    };
    let grant = pb::AuthRoleGrantPermissionRequest { name: "alice".to_owned(), perm: Some(perm) };
    auth.role_grant_permission(grant).await.unwrap();
    let (user, password) = ("carol".to_owned(), "secret".to_owned());
    let add = pb::AuthUserAddRequest { name: user.clone(), password, ..Default::default() };
    auth.user_add(add).await.unwrap();
    let role = "root".to_owned();
    auth.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();

    let endpoints = secured.endpoints();
    let client = async |name: &str| {
        Client::connect(endpoints.clone(), certificates.options(name)).await.unwrap()
    };
    let alice = client("alice").await;
    alice.put(Put::new("a1", "hers")).await.unwrap();
    assert_eq!(alice.get("a1").await.unwrap().kvs[0].value, "hers");
    let is = |error: &Error, wanted| matches!(error, Error::Server { code, .. } if *code == wanted);
    let refused = alice.put(Put::new("k", "not hers")).await.unwrap_err();
    assert!(is(&refused, types::Code::PermissionDenied), "{refused}");
    // Of streams, too: she may not watch what she may not read.
    assert!(
        alice.watch(client::Watch::key("k")).await.is_err() || {
            let mut watcher = alice.watch(client::Watch::key("k")).await.unwrap();
            timeout(DEADLINE, watcher.next()).await.unwrap().is_err()
        }
    );
    let root = client("root").await;
    assert_eq!(root.get("k").await.unwrap().kvs[0].value, "v");
    // Vouched for, but no user; and a node is none, whatever users there are.
    let refused = client("nobody").await.get("a1").await.unwrap_err();
    assert!(is(&refused, types::Code::PermissionDenied), "{refused}");
    let refused = client("spare").await.get("a1").await.unwrap_err();
    assert!(is(&refused, types::Code::UserEmpty), "{refused}");
    // What the process says to itself cannot be said from outside.
    for forged in ["certificate:root", "certificate:00000000000000000000000000000000root"] {
        let mut get =
            tonic::Request::new(pb::RangeRequest { key: "k".into(), ..Default::default() });
        get.metadata_mut().insert("token", forged.parse().unwrap());
        let channel = secured.channel("alice").await;
        let told = pb::kv_client::KvClient::new(channel).range(get).await.unwrap_err();
        assert_eq!(told.message(), "etcdserver: invalid auth token");
    }
    // By JSON a certificate lets somebody in and names nobody, as with etcd; nor for the console, nor for
    // what is gRPC by its path only: what a browser could be made to send with its owner's certificate.
    let dial = Dial::new(Set::outgoing_http1("test", certificates.of("root")).unwrap());
    let said = async |port: &str, path: &str, head: &str, body: &[u8]| {
        post(dial.connect(port).await.unwrap(), path, head, body).await
    };
    let Server { client: port, http, .. } = &secured.servers[0];
    for port in [port, http] {
        let told = said(port, "/v3/kv/range", "", br#"{"key":"aw=="}"#).await;
        assert!(told.contains("user name is empty"), "{told}");
        for path in ["/ui/api/hiraeth.v1.Node/Hot", "/ui/live/hiraeth.v1.Node/Hot"] {
            let told = said(port, path, "hiraeth-console: 1\r\n", b"{}").await;
            assert!(told.contains("user name is empty"), "{told}");
        }
        for (kind, is_root) in [("text/plain", false), ("application/grpc", true)] {
            let head = format!("content-type: {kind}\r\nte: trailers\r\n");
            let told = said(port, "/hiraeth.v1.Node/Hot", &head, &[0; 5]).await;
            assert_eq!(!told.contains("user%20name%20is%20empty"), is_root, "{told}");
        }
    }
    let (name, password) = ("carol".to_owned(), "secret".to_owned());
    let login = auth.authenticate(pb::AuthenticateRequest { name, password }).await.unwrap();
    import(secured, &login.into_inner().token);
}

/// Keys of a Consul come in by HTTPS, in the name of who has a token, and nobody's without one.
fn import(secured: &Secured, token: &str) {
    let certificates = &secured.certificates;
    let export = certificates.path("export.json");
    std::fs::write(&export, r#"[{"key":"app/one","flags":7,"value":"MQ=="}]"#).unwrap();
    let http = format!("https://{}", secured.servers[0].http);
    let [ca, cert, key] = ["ca.crt", "alice.crt", "alice.key"].map(|file| certificates.text(file));
    let import = |address: &str, more: &[&str]| {
        let base = ["import", "consul", export.to_str().unwrap(), "--http", address];
        tool("", &[&base[..], &["--ca-cert", &ca], more].concat())
    };
    let own = ["--cert", cert.as_str(), "--key", key.as_str()];
    let told = import(&http, &[]).failed(5);
    assert!(told.contains("wants a certificate"), "{told}");
    let told = import(&http, &own).failed(4);
    assert!(told.contains("403") && told.contains("--token"), "{told}");
    let told = import(&http, &[&own[..], &["--token", "a\nb"]].concat()).failed(2);
    assert!(told.contains("--token"), "{told}");
    let with = [&own[..], &["--token", token]].concat();
    assert_eq!(import(&http, &with).well(), "1 keys were written\n");
    // An authority says that TLS is spoken; and what is there is not written over.
    let told = import(&secured.servers[1].http, &with).failed(4);
    assert!(told.contains("there are keys already"), "{told}");
    let told = import(&format!("ftp://{http}"), &with).failed(2);
    assert!(told.contains("not ftp://"), "{told}");
}

/// One request of HTTP/1.1, and the whole answer.
async fn post(mut stream: tls::Stream, path: &str, head: &str, body: &[u8]) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nhost: n\r\nconnection: close\r\n{head}");
    let head = format!("{head}content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_taken_while_clients_come_and_go() {
    let secured = Secured::start().await;
    let certificates = &secured.certificates;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    // One client that stays, and ever new ones: no request of theirs may fail.
    let working: Vec<_> = [true, false]
        .into_iter()
        .map(|stays| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            let (endpoints, options) = (secured.endpoints(), certificates.options("root"));
            tokio::spawn(async move {
                let new = || Client::lazy(endpoints.clone(), options.clone()).unwrap();
                let mut client = new();
                while !stop.load(Ordering::Relaxed) {
                    client.put(Put::new("k", "v")).await.unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                    if !stays {
                        client = new();
                    }
                }
            })
        })
        .collect();
    let reach = async |more: u64| {
        let wanted = done.load(Ordering::Relaxed) + more;
        let reached = async {
            while done.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, reached).await.unwrap();
    };
    reach(20).await;
    let taken =
        |server: &Server| server.log().matches("new certificates: connections go by them").count();
    for server in &secured.servers {
        certificates.node(&server.name, &["--replace", "--days", "7"]);
        // The client port's, the HTTP port's, and the peers'.
        until("new certificates are taken", || taken(server) >= 3);
        reach(5).await;
    }
    let first = &secured.servers[0];
    until("it is said that they end soon", || first.log().contains("the certificate expires soon"));

    // What is no certificate is not taken, and said; what was there serves on. SIGHUP has it looked at.
    let cert = certificates.path("n1.crt");
    let good = std::fs::read(&cert).unwrap();
    std::fs::write(&cert, "no certificate").unwrap();
    let pid = Pid::from_raw(i32::try_from(first.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    until("it is said what is wrong", || {
        let log = first.log();
        log.contains("new certificates are not taken") && log.contains("n1.crt has no certificate")
    });
    reach(20).await;
    std::fs::write(&cert, good).unwrap();
    reach(5).await;
    let dial = Dial::new(Set::outgoing("test", certificates.of("root"), None).unwrap());
    let stream = dial.connect(&first.client).await.unwrap();
    let metrics = post(stream, "/metrics", "", b"").await;
    drop(metrics);
    stop.store(true, Ordering::Relaxed);
    for work in working {
        work.await.unwrap();
    }
    assert_links_hold(&secured);
}

/// Links were made anew by the new certificates, or are as they were; none is missing.
fn assert_links_hold(secured: &Secured) {
    let endpoints = secured.endpoints().join(",");
    until("all nodes are healthy", || {
        let status = secured.certificates.tool("root", &endpoints, &["status", "--output", "json"]);
        let Ok(status) = serde_json::from_str::<serde_json::Value>(&status.stdout) else {
            return false;
        };
        status["state"] == "healthy"
    });
}

#[test]
fn what_is_wrong_with_certificates_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::new(directory.path().join("certs"));
    certificates.node("n1", &[]);
    let start = |flags: &[&str]| {
        let mut command = program();
        command.arg("serve").args(["--listen-client", "127.0.0.1:0", "--data-dir"]);
        let ended = command.arg(directory.path().join("data")).args(flags).output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8(ended.stderr).unwrap()
    };
    let (cert, key, ca) =
        (certificates.text("n1.crt"), certificates.text("n1.key"), certificates.text("ca.crt"));
    let user = (certificates.text("root.crt"), certificates.text("root.key"));
    let told = start(&["--cert-file", &cert]);
    assert!(told.contains("--key-file") && told.contains("without its key"), "{told}");
    let told = start(&["--cert-file", &cert, "--key-file", &user.1]);
    assert!(told.contains("not the one of the certificate"), "{told}");
    let peer = |cert: &str, key: &str| {
        start(&["--peer-cert-file", cert, "--peer-key-file", key, "--peer-trusted-ca-file", &ca])
    };
    let told = peer(&user.0, &user.1);
    assert!(told.contains("is not for a peer") && told.contains("hiraeth://role/peer"), "{told}");
    let told = peer(&key, &cert);
    assert!(told.contains("may have been exchanged"), "{told}");
    assert!(!Path::new(&directory.path().join("data")).exists(), "something was changed");
}
