use proto::hiraeth::v1 as pb;

use crate::server::Server;
use crate::web::ask;

#[tokio::test(flavor = "multi_thread")]
async fn scripts_read_and_release_by_plain_http() {
    let server = Server::start().await;
    let path = "/api/v1/config/prod/shop/app.json";
    let missing = ask(&server, "GET", path, "", b"").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["message"], "hiraeth: no such configuration: prod/shop/app.json");
    let put =
        ask(&server, "PUT", &format!("{path}?type=json&comment=first"), "", b"{\"a\":1}").await;
    assert_eq!((put.status, &put.json()["version"]), (200, &1.into()));
    let again =
        ask(&server, "PUT", &format!("{path}?type=json&expected=7"), "", b"{\"a\":2}").await;
    assert_eq!(again.status, 409);
    for (query, status) in [("?type=xml", 400), ("?expected=x", 400), ("?type=json", 400)] {
        let wrong = ask(&server, "PUT", &format!("{path}{query}"), "", b"{").await;
        assert_eq!(wrong.status, status, "{query}");
    }
    assert_eq!(ask(&server, "PUT", path, "", &vec![b'x'; (1 << 20) + 1]).await.status, 413);
    let of =
        pb::ConfigName { namespace: "prod".into(), group: "shop".into(), ..Default::default() };
    let schema = r#"{"properties": {"a": {"type": "integer"}}}"#.into();
    let request = pb::SetSchemaRequest { name: Some(of), schema };
    super::client(&server).set_schema(request).await.unwrap();
    let wrong = ask(&server, "PUT", &format!("{path}?type=json"), "", b"{\"a\":\"1\"}").await;
    assert_eq!(wrong.status, 422, "{:?}", wrong.json());
    let got = ask(&server, "GET", &format!("{path}?id=host-1&label=zone=eu"), "", b"").await;
    assert_eq!((got.status, got.body.as_slice()), (200, &b"{\"a\":1}"[..]));
    for line in [
        "content-type: application/json",
        "x-content-type-options: nosniff",
        "hiraeth-config-version: 1",
        "hiraeth-config-gray: false",
    ] {
        assert!(got.head.contains(line), "{}", got.head);
    }
    assert_eq!(ask(&server, "GET", &format!("{path}?label=zone"), "", b"").await.status, 400);
    assert_eq!(ask(&server, "GET", "/api/v1/config/a/b/c%2Fd", "", b"").await.status, 400);
    server.stop().await;
}
