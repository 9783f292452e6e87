//! Two sides that meet: what each says when it does not take the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{
    Acceptor, Authority, Certificate, Clients, Dial, Error, Files, Issued, Refreshed, Role, Set,
    Wanted, keep_fresh,
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const ALPN: &[&[u8]] = &[b"h2"];

/// An authority and what it made, in a folder.
struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (authority, own) = Authority::create("test", SystemTime::now(), YEAR).unwrap();
        write(folder.path(), "ca", &own);
        Self { folder, authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(&self, file: &str, role: Role, name: &str, from: SystemTime, life: Duration) -> Files {
        let hosts = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let wanted = Wanted { role, name, hosts: &hosts, from, life };
        write(self.folder.path(), file, &self.authority.issue(&wanted).unwrap());
        self.files(file)
    }

    fn files(&self, file: &str) -> Files {
        Files {
            cert: Some(self.path(&format!("{file}.crt"))),
            key: Some(self.path(&format!("{file}.key"))),
            trusted_ca: Some(self.path("ca.crt")),
        }
    }

    fn made(&self, role: Role, name: &str) -> Files {
        self.issue(name, role, name, SystemTime::now(), YEAR)
    }
}

fn write(folder: &Path, file: &str, issued: &Issued) {
    std::fs::write(folder.join(format!("{file}.crt")), &issued.certificate).unwrap();
    std::fs::write(folder.join(format!("{file}.key")), &issued.key).unwrap();
}

/// One byte there and back, and what the server was told; or what the client says of it.
async fn meet(server: &Arc<Acceptor>, client: Arc<Set>) -> Result<Option<Certificate>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Arc::clone(server);
    let serving = tokio::spawn(async move {
        let (mut stream, said) = server.accept(listener.accept().await.unwrap().0).await?;
        let byte = stream.read_u8().await.ok()?;
        stream.write_u8(byte + 1).await.ok()?;
        stream.flush().await.ok()?;
        Some(said)
    });
    let asking = async {
        let mut stream = Dial::new(client).connect(&address).await?;
        stream.write_u8(41).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let answer = timeout(Duration::from_secs(5), asking).await.unwrap();
    let said = serving.await.unwrap();
    let answer = answer.map_err(|error| error.to_string())?;
    assert_eq!(answer, 42);
    Ok(said.unwrap())
}

fn acceptor(files: &Files, clients: Clients) -> Arc<Acceptor> {
    Acceptor::new(Set::listener("client", files.clone(), clients, ALPN).unwrap())
}

fn client(files: &Files) -> Arc<Set> {
    Set::outgoing("client", files.clone(), None).unwrap()
}

#[tokio::test]
async fn who_is_vouched_for_is_taken_and_known() {
    let place = Place::new();
    let (node, user) = (place.made(Role::Peer, "n1"), place.made(Role::Client, "alice"));
    let server = acceptor(&node, Clients::Vouched);
    let said = meet(&server, client(&user)).await.unwrap().unwrap();
    assert_eq!(said.user(), Some("alice"));
    assert_eq!(said.issuer.as_deref(), Some("test"));
    assert_eq!(said.hosts, ["127.0.0.1", "localhost"]);
    // A node's certificate lets it in, but is no user's.
    let said = meet(&server, client(&node)).await.unwrap().unwrap();
    assert_eq!((said.user(), said.common_name.as_deref()), (None, Some("n1")));
    // Where nobody is asked, nobody is known.
    let open = acceptor(&node, Clients::Anybody);
    assert_eq!(meet(&open, client(&user)).await, Ok(None));
}

#[tokio::test]
async fn who_is_not_taken_is_told_why() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let node = place.made(Role::Peer, "n1");
    let day = Duration::from_secs(24 * 3600);
    let before = SystemTime::now() - 3 * day;
    let told = async |server: &Arc<Acceptor>, client: Arc<Set>, words: &str| {
        let told = meet(server, client).await.unwrap_err();
        assert!(told.contains(words), "{told}\n{words}");
    };
    let server = acceptor(&node, Clients::Vouched);
    let nobody = Files { cert: None, key: None, ..node.clone() };
    told(&server, client(&nobody), "wants a certificate, and got none").await;
    let strange =
        Files { trusted_ca: node.trusted_ca.clone(), ..elsewhere.made(Role::Client, "eve") };
    told(&server, client(&strange), "its authority is not trusted there").await;
    let trusting = Files { trusted_ca: strange.trusted_ca.clone(), ..nobody.clone() };
    assert!(trusting.trusted_ca.is_some());
    let trusting = Files { cert: None, key: None, trusted_ca: Some(elsewhere.path("ca.crt")) };
    told(&server, client(&trusting), "from an authority that is not trusted here").await;

    // One that has expired is not even begun with; what expires later is refused by the other side.
    let old = place.issue("old", Role::Client, "old", before, day);
    assert!(matches!(Set::outgoing("client", old, None), Err(Error::Expired { .. })));
    let short =
        place.issue("short", Role::Client, "short", SystemTime::now(), Duration::from_secs(2));
    let short = client(&short);
    tokio::time::sleep(Duration::from_millis(3100)).await;
    told(&server, short, "it has expired").await;

    // Links between nodes are for nodes, whichever side looks.
    let peers = Set::peers(node.clone()).unwrap();
    let server = Acceptor::new(Arc::clone(&peers));
    assert!(meet(&server, Arc::clone(&peers)).await.unwrap().is_some());
    let user = place.made(Role::Client, "alice");
    told(&server, client(&user), "it lacks the role that is needed there").await;
    assert!(matches!(Set::peers(user.clone()), Err(Error::Role { .. })));
    let gateway = acceptor(&place.made(Role::Gateway, "g1"), Clients::Vouched);
    told(&gateway, peers, "lacks the role that is needed here").await;
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_told() {
    let place = Place::new();
    let hosts = ["node.example".to_owned()];
    let (role, from) = (Role::Peer, SystemTime::now());
    let wanted = Wanted { role, name: "n1", hosts: &hosts, from, life: YEAR };
    write(place.folder.path(), "n1", &place.authority.issue(&wanted).unwrap());
    let server = acceptor(&place.files("n1"), Clients::Anybody);
    let told = meet(&server, client(&place.made(Role::Client, "alice"))).await.unwrap_err();
    assert!(told.contains("not for 127.0.0.1") && told.contains("node.example"), "{told}");
}

#[tokio::test]
async fn plain_text_and_silence_take_nothing() {
    let place = Place::new();
    let server = acceptor(&place.made(Role::Peer, "n1"), Clients::Anybody);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(server.accept(listener.accept().await.unwrap().0).await.is_none());
        let mut rest = Vec::new();
        // Reset or ended, but nothing is said.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_make_others_wait_for_a_turn_only() {
    let place = Place::new();
    let set = Set::listener("client", place.made(Role::Peer, "n1"), Clients::Anybody, ALPN);
    let user = client(&place.made(Role::Client, "alice"));
    let (turn, long) = (Duration::from_millis(600), Duration::from_secs(30));
    let server = Acceptor::bounded(set.unwrap(), 2, turn, long);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut begun = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[0x16, 3, 1]).await.unwrap();
        let server = Arc::clone(&server);
        let accepted = listener.accept().await.unwrap().0;
        begun.push((stream, tokio::spawn(async move { server.accept(accepted).await.is_none() })));
    }
    let began = Instant::now();
    // Both turns are taken. They end, whatever these two do, and whoever waited has a whole turn then.
    assert!(timeout(turn / 2, meet(&server, Arc::clone(&user))).await.is_err());
    assert!(meet(&server, Arc::clone(&user)).await.is_ok());
    assert!(began.elapsed() >= turn / 2, "{:?}", began.elapsed());
    for (mut stream, refused) in begun {
        assert!(timeout(turn * 10, refused).await.unwrap().unwrap());
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    // Who waits for its turn for too long is not kept waiting; who says nothing has none, and is not either.
    let short = Duration::from_millis(300);
    let set = Set::listener("client", place.files("n1"), Clients::Anybody, ALPN).unwrap();
    let server = Acceptor::bounded(Arc::clone(&set), 0, turn, short);
    for said in [&[0x16, 3, 1][..], &[]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let accepted = listener.accept().await.unwrap().0;
        let began = Instant::now();
        assert!(server.accept(accepted).await.is_none());
        assert!(began.elapsed() >= short && began.elapsed() < long);
    }
    assert_eq!(set.refused.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn files_that_change_are_taken_if_they_are_whole() {
    let place = Place::new();
    let files = place.made(Role::Peer, "n1");
    let set = Set::listener("client", files.clone(), Clients::Vouched, ALPN).unwrap();
    let server = Acceptor::new(Arc::clone(&set));
    let user = client(&place.made(Role::Client, "alice"));
    assert_eq!(set.refresh().unwrap(), Refreshed::Same);
    let key = files.key.clone().unwrap();

    let keeping = tokio::spawn(keep_fresh(vec![Arc::clone(&set)]).unwrap());
    let until = set.not_after();
    // A key of somebody else, half a certificate, nothing: what was good stays in force.
    for (file, bytes) in [("n1.key", "nonsense"), ("n1.crt", "-----BEGIN CERTIFICATE-----\nAAAA")] {
        let good = std::fs::read(place.path(file)).unwrap();
        std::fs::write(place.path(file), bytes).unwrap();
        let told = set.refresh().unwrap_err().to_string();
        assert!(told.contains(file), "{told}");
        assert!(meet(&server, Arc::clone(&user)).await.is_ok());
        std::fs::write(place.path(file), good).unwrap();
    }
    std::fs::copy(place.path("ca.key"), &key).unwrap();
    assert!(matches!(set.refresh(), Err(Error::Mismatch { .. })));

    // A new pair is taken by itself, once both are there.
    place.issue("n1", Role::Peer, "n1", SystemTime::now(), YEAR / 2);
    let taken = async {
        while set.not_after() == until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), taken).await.unwrap();
    assert!(meet(&server, user).await.is_ok());
    keeping.abort();
}

#[test]
fn what_is_wrong_with_files_is_told_with_their_names() {
    let place = Place::new();
    let good = place.made(Role::Peer, "n1");
    let told = |files: &Files| Set::peers(files.clone()).unwrap_err().to_string();
    let gone = Files { cert: Some(place.path("gone.crt")), ..good.clone() };
    assert!(told(&gone).contains("gone.crt: No such file"), "{}", told(&gone));
    let exchanged = Files { cert: good.key.clone(), key: good.cert.clone(), ..good.clone() };
    assert!(told(&exchanged).contains("may have been exchanged"), "{}", told(&exchanged));
    let half = Files { key: None, ..good.clone() };
    assert!(told(&half).contains("n1.crt is given without its key"), "{}", told(&half));
    let alone = Files { trusted_ca: None, ..good };
    assert!(told(&alone).contains("an authority"), "{}", told(&alone));
}

#[test]
fn an_authority_goes_on_after_it_was_read_from_its_files() {
    let place = Place::new();
    let (ca, key) = (place.path("ca.crt"), place.path("ca.key"));
    let again = Authority::load(&ca, &key).unwrap();
    let other = place.made(Role::Peer, "n1").key.unwrap();
    assert!(matches!(Authority::load(&ca, &other), Err(Error::Mismatch { .. })));
    let place = Place { authority: again, ..place };
    place.made(Role::Peer, "n2");
    let files = place.files("n2");
    assert!(Set::peers(files).is_ok());
}

#[test]
fn bytes_that_are_no_certificate_are_none() {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    let place = Place::new();
    let cert = place.made(Role::Client, "alice").cert.unwrap();
    let der = CertificateDer::from_pem_file(cert).unwrap();
    let whole = Certificate::parse(&der).unwrap();
    assert!(whole.not_before < whole.not_after);
    for length in 0..der.len() {
        assert_eq!(Certificate::parse(&der[..length]), None, "{length}");
    }
    // Whatever a byte is changed to, it is read or it is not.
    for at in 0..der.len() {
        for value in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            let mut bytes = der.to_vec();
            bytes[at] = value;
            drop(Certificate::parse(&bytes));
        }
    }
}
