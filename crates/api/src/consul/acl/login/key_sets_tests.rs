//! Who asks for keys, how often, and who waits for that.

use std::time::{Duration, Instant};

use futures::FutureExt;
use node::probe::{Fetch, Networks};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::key_sets::{BYTES, FRESH, KEPT, KeySets, Origin, set_of};
use super::way::Look;

/// One key, with the id `known`.
const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"known",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Who tells keys, as far as the test lets it.
struct Teller(TcpListener);

impl Teller {
    async fn start() -> (Self, Origin) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        (Self(listener), Origin::Set(Fetch { url, most: BYTES, ..Fetch::default() }))
    }

    /// The next that asks; it is not answered.
    async fn asked(&self) -> TcpStream {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let mut request = [0; 2_048];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream
    }
}

async fn tell(mut stream: TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", SET.len());
    stream.write_all(format!("{head}{SET}").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn who_hangs_up_has_not_asked_in_vain_and_not_again() {
    let (teller, origin) = Teller::start().await;
    let (sets, networks) = (KeySets::default(), Networks::wide());
    let look = Look { method: ("m", 1), key_sets: &sets, networks: &networks, now: 0 };
    let now = Instant::now();
    let stream = tokio::select! {
        _ = sets.get_at(&look, &origin, "known", now) => panic!("nobody answered"),
        stream = teller.asked() => stream,
    };
    // All of them at the time of the first: nobody may ask again.
    for _ in 0..5 {
        let again = sets.get_at(&look, &origin, "known", now);
        tokio::select! {
            _ = timeout(Duration::from_millis(50), again) => {}
            _ = teller.asked() => panic!("it was asked again"),
        }
    }
    // Nor later, while the first question is not over.
    let later = sets.get_at(&look, &origin, "known", now + Duration::from_secs(60));
    tokio::select! {
        _ = timeout(Duration::from_millis(50), later) => {}
        _ = teller.asked() => panic!("two ask at once"),
    }
    // It goes on for those that come.
    let (came, ()) = tokio::join!(sets.get_at(&look, &origin, "known", now), tell(stream));
    assert!(came.unwrap().has("known"));
}

#[tokio::test]
async fn a_key_that_is_known_waits_for_no_strangers() {
    let (teller, origin) = Teller::start().await;
    let (sets, networks) = (KeySets::default(), Networks::wide());
    let look = Look { method: ("m", 1), key_sets: &sets, networks: &networks, now: 0 };
    let now = Instant::now();
    let first = sets.get_at(&look, &origin, "known", now);
    let (came, ()) = tokio::join!(first, async { tell(teller.asked().await).await });
    came.unwrap();
    let later = now + Duration::from_secs(6);
    let mut stranger = Box::pin(sets.get_at(&look, &origin, "strange", later));
    let _stream = tokio::select! {
        _ = &mut stranger => panic!("nobody answered"),
        stream = teller.asked() => stream,
    };
    let known = sets.get_at(&look, &origin, "known", later).now_or_never();
    assert!(known.expect("it waits").unwrap().has("known"));
}

#[tokio::test]
async fn keys_are_asked_for_again_in_time_and_do_not_count_for_ever() {
    let (teller, origin) = Teller::start().await;
    let (sets, networks) = (KeySets::default(), Networks::wide());
    let look = Look { method: ("m", 1), key_sets: &sets, networks: &networks, now: 0 };
    // So long the machine may do something else meanwhile.
    let margin = Duration::from_secs(60);
    let first = sets.get_at(&look, &origin, "known", Instant::now());
    let (came, ()) = tokio::join!(first, async { tell(teller.asked().await).await });
    came.unwrap();
    let told = Instant::now();
    let soon = sets.get_at(&look, &origin, "known", told + FRESH - margin).now_or_never();
    assert!(soon.expect("it asks").unwrap().has("known"));
    let late = sets.get_at(&look, &origin, "known", told + FRESH);
    let (came, ()) = tokio::join!(late, async { tell(teller.asked().await).await });
    came.unwrap();
    // From here on nobody answers.
    let told = Instant::now();
    let silent = |age| {
        let refused = async { drop(teller.asked().await) };
        let get = sets.get_at(&look, &origin, "known", told + age);
        async move { tokio::join!(get, refused).0 }
    };
    assert!(silent(KEPT - margin).await.unwrap().has("known"));
    let over = silent(KEPT).await.unwrap_err();
    assert_eq!(over.told, "the keys could not be fetched");
    assert!(over.why.contains("http://127.0.0.1:"), "{over:?}");
}

#[test]
fn who_is_asked_over_tls_has_its_keys_told_so() {
    let set = |provider: &str, uri: &str| {
        let url = provider.to_owned();
        let said = json!({ "issuer": provider, "jwks_uri": uri });
        set_of(&Fetch { url, ..Fetch::default() }, &said).map(|set| set.url)
    };
    let (plain, sealed) = ("http://a/keys", "https://b/keys");
    assert_eq!(set("https://a", sealed).as_deref(), Ok(sealed));
    assert_eq!(set("http://a", plain).as_deref(), Ok(plain));
    assert_eq!(set("http://a", sealed).as_deref(), Ok(sealed));
    for other in [plain, "", "b/keys", "ftp://b/keys"] {
        let told = set("https://a", other).unwrap_err();
        assert!(told.contains("not told over TLS"), "{told}");
    }
}
