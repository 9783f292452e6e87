use serde_json::{Value, json};
use state::auth::acl::BindKind;

use super::bind::is_bind_name;
use super::names::filled;
use super::way::Way;

#[test]
fn names_are_filled_with_what_is_known() {
    let look = |name: &str| (name == "value.team").then(|| "web".to_owned());
    let fill = |template: &str| filled(template, look);
    assert_eq!(fill("a-${value.team}-${ value.team }"), Ok("a-web-web".to_owned()));
    assert_eq!(fill("plain"), Ok("plain".to_owned()));
    assert_eq!(fill("$${value.team}"), Ok("${value.team}".to_owned()));
    assert_eq!(fill("$"), Ok("$".to_owned()));
    assert!(fill("${value.team").is_err());
    assert!(fill("${}").is_err());
    assert_eq!(fill("${value.x}").unwrap_err(), "unknown variable accessed: value.x");
    let all = filled(&"${a}".repeat(100), |_| Some("x".repeat(100)));
    assert!(all.unwrap_err().contains("more than 4096 bytes"));
}

fn jwt() -> Value {
    json!({
        "JWKSURL": "http://127.0.0.1/keys",
        "ClaimMappings": { "sub": "who" },
        "ListClaimMappings": { "/nested/groups": "groups" },
    })
}

fn kubernetes(host: &str) -> Value {
    let certificate = include_str!("../../../../../jwt/testdata/certificate.pem");
    json!({ "Host": host, "CACert": certificate, "ServiceAccountJWT": "a.b.c" })
}

fn wrong(kind: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut config = if kind == "jwt" { jwt() } else { json!({}) };
    change(&mut config);
    Way::of(kind, &config).err().map(|problem| problem.text).unwrap_or_default()
}

#[test]
fn configurations_are_read_or_refused_with_a_reason() {
    assert_eq!(wrong("jwt", |_| {}), "");
    for host in ["10.0.0.1", "https://10.0.0.1", "http://127.0.0.1:8001", "http://[::1]"] {
        assert_eq!(wrong("kubernetes", |it| *it = kubernetes(host)), "", "{host}");
    }
    let told = [
        (wrong("jwt", |it| it["JWTValidationPubKeys"] = json!(["x"])), "exactly one of"),
        (wrong("jwt", |it| it["JWKSURL"] = Value::Null), "exactly one of"),
        (wrong("jwt", |it| it["JWKSURL"] = json!("ftp://a")), "is no URL"),
        (wrong("jwt", |it| it["JWKSURL"] = json!(7)), "not a string"),
        (wrong("jwt", |it| it["JWKSCACert"] = json!("x")), "no certificate in PEM"),
        (wrong("jwt", |it| it["JWTSupportedAlgs"] = json!(["HS256"])), "\"HS256\""),
        (wrong("jwt", |it| it["ClockSkewLeeway"] = json!("x")), "no duration"),
        (wrong("jwt", |it| it["ClaimMappings"] = json!({ "a": "b c" })), "\"b c\""),
        (wrong("jwt", |it| it["ClaimMappings"] = json!({ "a": "b", "c": "b" })), "two claims"),
        (wrong("jwt", |it| it["BoundAudiences"] = json!(vec!["a"; 65])), "at most 64"),
        (wrong("jwt", |it| it["Issuer"] = json!("x")), "has invalid keys: Issuer"),
        (wrong("jwt", |it| *it = json!([])), "no object"),
        (wrong("kubernetes", |_| {}), "Config.Host is required"),
        (wrong("kubernetes", |it| it["Host"] = json!("a")), "Config.CACert is required"),
        (wrong("kubernetes", |it| *it = kubernetes("http://10.0.0.1")), "over https:// only"),
        (wrong("kubernetes", |it| *it = kubernetes("http://127.0.0.1@a")), "over https:// only"),
        (wrong("oidc", |_| {}), "not built"),
        (wrong("aws-iam", |_| {}), "[jwt kubernetes]"),
        (wrong("ldap", |_| {}), "[jwt kubernetes]"),
    ];
    for (told, wanted) in told {
        assert!(told.starts_with("Invalid Auth Method: ") && told.contains(wanted), "{told}");
    }
}

#[test]
fn a_rules_name_can_be_one() {
    let way = Way::of("jwt", &jwt()).unwrap_or_else(|problem| panic!("{}", problem.text));
    let is = |kind, name: &str| is_bind_name(kind, name, &way).is_ok();
    assert!(is(BindKind::Service, "web-${value.who}"));
    assert!(is(BindKind::Role, "Web"));
    assert!(is(BindKind::TemplatedPolicy, "builtin/service"));
    assert!(!is(BindKind::Service, "Web"));
    assert!(!is(BindKind::Service, "web.${value.who}"));
    assert!(!is(BindKind::Service, "web-${value.groups}"));
    assert!(!is(BindKind::Service, "web-${list.groups}"));
    assert!(!is(BindKind::Policy, &"a".repeat(129)));
    assert!(!is(BindKind::Role, "${value.who"));
}
