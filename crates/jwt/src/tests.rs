use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::{Algorithm, Bounds, Claims, JwkSet, Key, Leeways, Refused, Token, key_in_pem};

struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(way, document.as_ref(), &random).unwrap();
        Self { pair, random }
    }

    fn key(&self) -> Key {
        Key::point(self.pair.public_key().as_ref()).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn verified(text: &str, keys: &[Key], wanted: &[Algorithm]) -> Result<Claims, Refused> {
    Token::parse(text)?.verify(keys, wanted)
}

#[test]
fn who_has_the_key_is_believed_and_nobody_else() {
    let (signer, other) = (Signer::new(), Signer::new());
    let claims = json!({ "sub": "me", "n": 7, "nested": { "a/b": ["x", 1, true] } });
    let text = signer.sign(&json!({ "alg": "ES256", "kid": "k" }), &claims);
    let keys = [other.key(), signer.key()];
    let said = verified(&text, &keys, &[]).unwrap();
    assert_eq!(said.text("sub"), Ok(Some("me".to_owned())));
    assert_eq!(said.text("/n"), Ok(Some("7".to_owned())));
    assert_eq!(said.text("none"), Ok(None));
    let list = ["x", "1", "true"].map(str::to_owned).to_vec();
    assert_eq!(said.texts("/nested/a~1b"), Ok(Some(list)));
    assert_eq!(said.texts("sub"), Ok(Some(vec!["me".to_owned()])));
    assert_eq!(said.text("nested"), Err(Refused::Claim("nested".to_owned())));
    assert_eq!(verified(&text, &[other.key()], &[]), Err(Refused::Signature));
    assert_eq!(verified(&text, &[], &[]), Err(Refused::Signature));
    assert!(verified(&text, &keys, &[Algorithm::Es256]).is_ok());
    let unwanted = Err(Refused::Algorithm("ES256".to_owned()));
    assert_eq!(verified(&text, &keys, &[Algorithm::Rs256]), unwanted);
}

#[test]
fn a_token_cannot_choose_to_be_believed() {
    let signer = Signer::new();
    let claims = json!({ "sub": "me" });
    for (alg, wanted) in [
        (json!("none"), "none"),
        (json!("None"), "None"),
        (json!("HS256"), "HS256"),
        (json!("ES512"), "ES512"),
        (json!(7), ""),
    ] {
        let text = signer.sign(&json!({ "alg": alg }), &claims);
        assert_eq!(
            verified(&text, &[signer.key()], &[]),
            Err(Refused::Algorithm(wanted.to_owned()))
        );
    }
    // As another kind of key would sign.
    for alg in ["RS256", "PS256", "ES384", "EdDSA"] {
        let text = signer.sign(&json!({ "alg": alg }), &claims);
        assert_eq!(verified(&text, &[signer.key()], &[]), Err(Refused::Signature), "{alg}");
    }
    let text = signer.sign(&json!({ "alg": "ES256", "crit": ["b64"], "b64": false }), &claims);
    assert!(matches!(verified(&text, &[signer.key()], &[]), Err(Refused::Malformed(_))));
    let good = signer.sign(&json!({ "alg": "ES256" }), &claims);
    let (signed, _) = good.rsplit_once('.').unwrap();
    for bad in [
        "".to_owned(),
        "a".to_owned(),
        "a.b".to_owned(),
        "..".to_owned(),
        format!("{good}.x"),
        format!("{signed}.!"),
        format!("{good}="),
        format!("{}.e30.", URL_SAFE_NO_PAD.encode("[]")),
    ] {
        let refused = verified(&bad, &[signer.key()], &[]).unwrap_err();
        assert!(matches!(refused, Refused::Malformed(_)), "{bad}: {refused:?}");
    }
    assert_eq!(verified(&format!("{signed}."), &[signer.key()], &[]), Err(Refused::Signature));
    let long = "a".repeat(16_385);
    assert_eq!(verified(&long, &[], &[]), Err(Refused::TooLong(16_385)));
}

#[test]
fn only_what_counts_now_and_here_is_taken() {
    let claims = |value: Value| Claims(value.as_object().unwrap().clone());
    let bounds = Bounds {
        issuer: "i".to_owned(),
        audiences: vec!["a".to_owned(), "b".to_owned()],
        leeways: Leeways::default(),
    };
    let hold = |value: Value| bounds.hold(&claims(value), 10_000);
    let with = |times: Value| {
        let mut all = json!({ "iss": "i", "aud": ["x", "b"] });
        let object = all.as_object_mut().unwrap();
        object.extend(times.as_object().unwrap().clone());
        hold(all)
    };
    assert_eq!(with(json!({ "exp": 9_940 })), Ok(()), "within the skew of clocks");
    assert_eq!(with(json!({ "exp": 9_939 })), Err(Refused::Expired));
    assert_eq!(with(json!({ "exp": 0 })), Err(Refused::Expired));
    assert_eq!(with(json!({ "exp": 9_940.5 })), Ok(()));
    assert_eq!(with(json!({ "exp": "x" })), Err(Refused::Claim("exp".to_owned())));
    assert_eq!(with(json!({})), Err(Refused::Timeless));
    assert_eq!(with(json!({ "nbf": 10_060, "exp": 20_000 })), Ok(()));
    assert_eq!(with(json!({ "nbf": 10_061, "exp": 20_000 })), Err(Refused::TooEarly));
    assert_eq!(
        with(json!({ "iat": 10_061, "nbf": 1, "exp": 20_000 })),
        Err(Refused::FromTheFuture)
    );
    // One that does not say how long counts 150 s and the skew.
    assert_eq!(with(json!({ "iat": 9_790 })), Ok(()));
    assert_eq!(with(json!({ "iat": 9_789 })), Err(Refused::Expired));
    // One that does not say since when, so long before its end.
    assert_eq!(with(json!({ "exp": 10_211 })), Err(Refused::TooEarly));
    assert_eq!(with(json!({ "exp": 1e300 })), Err(Refused::TooEarly));
    assert_eq!(with(json!({ "iat": -1e300, "exp": 1e300 })), Ok(()));
    let aud = |aud: Value, iss: &str| hold(json!({ "iat": 10_000, "iss": iss, "aud": aud }));
    assert_eq!(aud(json!("a"), "i"), Ok(()));
    assert_eq!(aud(json!("a"), "I"), Err(Refused::Issuer));
    assert_eq!(aud(json!("c"), "i"), Err(Refused::Audience));
    assert_eq!(aud(json!([]), "i"), Err(Refused::Audience));
    assert_eq!(aud(json!([7]), "i"), Err(Refused::Claim("aud".to_owned())));
    let open = Bounds::default();
    assert_eq!(open.hold(&claims(json!({ "iat": 10_000 })), 10_000), Ok(()));
    let named = claims(json!({ "iat": 10_000, "aud": "a" }));
    assert_eq!(open.hold(&named, 10_000), Err(Refused::Unbound));
}

/// As certificates have it.
fn spki(algorithm: &[u8], key: &[u8]) -> String {
    let long = |tag: u8, value: &[u8]| match value.len() {
        short @ 0..=127 => [&[tag, short as u8], value].concat(),
        long => [&[tag, 0x82, (long >> 8) as u8, long as u8], value].concat(),
    };
    let bits = long(0x03, &[&[0], key].concat());
    let der = long(0x30, &[long(0x30, algorithm), bits].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

#[test]
fn keys_are_read_in_each_form() {
    let signer = Signer::new();
    let point = signer.pair.public_key().as_ref();
    let p256 = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    assert_eq!(key_in_pem(&spki(p256, point)), Ok(signer.key()));
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let own = pair.public_key().as_ref();
    let key = key_in_pem(&spki(b"\x06\x03\x2b\x65\x70", own)).unwrap();
    assert!(key.verifies(Algorithm::EdDsa, b"m", pair.sign(b"m").as_ref()));
    assert!(!key.verifies(Algorithm::EdDsa, b"n", pair.sign(b"m").as_ref()));

    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = point[1..].split_at(32);
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "a", "use": "sig", "x": part(x), "y": part(y) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "b", "alg": "EdDSA", "x": part(own) },
        { "kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": part(x), "y": part(y) },
        { "kty": "oct", "kid": "shared", "k": part(b"secret") },
        { "kty": "EC", "crv": "P-256", "kid": "short", "x": part(b"x"), "y": part(y) },
        { "kty": "RSA", "kid": "weak", "n": part(&[0xff; 128]), "e": "AQAB" },
        7,
    ] });
    let set = JwkSet::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(set.named("a").collect::<Vec<_>>(), [&signer.key()]);
    assert_eq!(set.named("").count(), 2);
    assert!(set.has("b") && !set.has("enc") && !set.has("shared") && !set.has("weak"));
    let text = signer.sign(&json!({ "alg": "ES256", "kid": "a" }), &json!({}));
    let token = Token::parse(&text).unwrap();
    let id = token.key_id().to_owned();
    assert!(token.verify(set.named(&id), &[]).is_ok());

    for bad in ["", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
        assert!(JwkSet::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let many = json!({ "keys": vec![json!({}); 129] });
    assert!(JwkSet::parse(many.to_string().as_bytes()).is_err());
    for bad in [
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
    ] {
        assert!(key_in_pem(bad).is_err(), "{bad}");
    }
}

/// With the names that tokens and keys have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("EdDSA"),
            Just("RS256"),
            Just("none"),
            Just("EC"),
            Just("RSA"),
            Just("AQAB"),
            Just("P-256"),
            Just("sig"),
        ]
        .prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    let name = || {
        prop_oneof![
            Just("alg"),
            Just("kid"),
            Just("crit"),
            Just("exp"),
            Just("nbf"),
            Just("iat"),
            Just("aud"),
            Just("iss"),
            Just("kty"),
            Just("crv"),
            Just("n"),
            Just("e"),
            Just("x"),
            Just("y"),
            Just("use"),
        ]
    };
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name(), inner), 0..6).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r"([A-Za-z0-9_\-]{0,20}\.?){0,5}", pem in ".{0,40}") {
        drop(Token::parse(&text));
        drop(key_in_pem(&format!("-----BEGIN PUBLIC KEY-----{pem}-----END PUBLIC KEY-----")));
    }

    /// Whatever stands in it.
    #[test]
    fn no_token_and_no_key_set_makes_it_panic(
        header in any_json(), claims in any_json(), now in any::<i64>(),
    ) {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}.AA", part(&header), part(&claims));
        prop_assert!(verified(&text, &[Key::Ed25519(vec![0; 32])], &[]).is_err());
        drop(JwkSet::parse(json!({ "keys": [header] }).to_string().as_bytes()));
        if let Value::Object(claims) = claims {
            let claims = Claims(claims);
            drop(Bounds::default().hold(&claims, now));
            for name in ["exp", "/aud", "/aud/0", "", "/", "/~1/~"] {
                drop((claims.text(name), claims.texts(name)));
            }
        }
    }

    #[test]
    fn damaged_keys_are_none_or_others(at in 0_usize..91, byte in any::<u8>(), cut in 0_usize..91) {
        let point = [4; 65];
        let algorithm =
            b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        let mut der = [&[0x30, 89, 0x30, 19][..], algorithm, &[0x03, 66, 0], &point].concat();
        prop_assert!(Key::from_der(&der).is_ok());
        prop_assert!(Key::from_der(&der[..cut]).is_err());
        der[at] = byte;
        drop(Key::from_der(&der));
    }

    /// Whatever is changed of a token, nobody is believed by it.
    #[test]
    fn a_token_that_was_changed_is_none(at in any::<proptest::sample::Index>(), with in "[A-Za-z0-9_-]") {
        let signer = Signer::new();
        let text = signer.sign(&json!({ "alg": "ES256" }), &json!({ "sub": "somebody" }));
        let at = at.index(text.len());
        let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
        prop_assume!(changed != text);
        prop_assert!(verified(&changed, &[signer.key()], &[]).is_err());
    }
}

#[test]
fn what_openssl_signed_is_believed_by_the_key_and_by_no_other() {
    let file = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let key = |name: &str| key_in_pem(&file(&format!("{name}.pem")));
    let names = ["rsa", "p256", "p384", "ed"];
    let keys = names.map(|name| (name, key(name).unwrap()));
    assert_eq!(key("certificate"), key("p256"));
    assert!(key("p521").is_err());
    let mut count = 0;
    for line in file("tokens.txt").lines().filter(|line| !line.starts_with('#')) {
        let [algorithm, signed_with, text] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        for (name, key) in &keys {
            let said = verified(text, std::slice::from_ref(key), &[]);
            assert_eq!(said.is_ok(), *name == signed_with, "{algorithm} with {name}");
            if let Ok(said) = said {
                assert_eq!(said.text("sub"), Ok(Some(algorithm.to_owned())));
            }
        }
        let all = || keys.iter().map(|(_, key)| key);
        let named = Algorithm::named(algorithm).unwrap();
        assert!(Token::parse(text).unwrap().verify(all(), &[named]).is_ok());
        count += 1;
    }
    assert_eq!(count, 9);
}
