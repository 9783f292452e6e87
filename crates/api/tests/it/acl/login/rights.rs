//! What somebody may who logged in.

use serde_json::{Value, json};

use super::super::ask::{ROOT, ask, do_it, start};
use super::sign::{Signer, let_in, login, method, rule, tokens};

#[tokio::test(flavor = "multi_thread")]
async fn rules_say_what_somebody_is_who_logged_in() {
    let server = start(1).await.remove(0);
    let signer = Signer::new("a");
    method(&server, "machines", &signer).await;
    let policy = json!({ "Name": "reads", "Rules": r#"key_prefix "a" { policy = "read" }"# });
    do_it(&server, "PUT /v1/acl/policy", policy).await;
    let role = json!({ "Name": "ops-berlin", "Policies": [{ "Name": "reads" }] });
    do_it(&server, "PUT /v1/acl/role", role).await;
    rule(&server, "machines", "service", "${value.team}-web", r#"value.team != "" "#).await;
    rule(&server, "machines", "node", "n-${value.team}", r#"value.team == "Red""#).await;
    rule(&server, "machines", "role", "ops-${value.place}", r#""ops" in list.groups"#).await;
    rule(&server, "machines", "role", "not-there", "").await;
    rule(&server, "machines", "policy", "reads", r#"value.team == "Blue""#).await;

    for (template, variables) in
        [("builtin/service", json!({ "Name": "${value.team}-api" })), ("builtin/dns", Value::Null)]
    {
        let rule = json!({
            "AuthMethod": "machines", "BindType": "templated-policy", "BindName": template,
            "BindVars": variables, "Selector": r#"value.team == "Green""#,
        });
        do_it(&server, "PUT /v1/acl/binding-rule", rule).await;
    }

    let bearer = signer.token(json!({
        "team": "Red", "deep": { "place": "Berlin" }, "groups": ["dev", "ops"],
    }));
    let body = json!({
        "AuthMethod": "machines", "BearerToken": bearer, "Meta": { "pod": "p1", "a": "b" },
    });
    // Whatever token is brought.
    let came = ask(&server, "POST /v1/acl/login", Some("nobody's"), &body.to_string()).await;
    assert_eq!(came.status, 200, "{came:?}");
    let made = came.json();
    assert_eq!(made["AuthMethod"], "machines");
    assert_eq!(made["Local"], true);
    assert_eq!(made["Description"], r#"token created via login: {"a":"b","pod":"p1"}"#);
    assert_eq!(made["ServiceIdentities"], json!([{ "ServiceName": "red-web" }]));
    assert_eq!(made["NodeIdentities"], json!([{ "NodeName": "n-red", "Datacenter": "dc1" }]));
    assert_eq!(made["Roles"][0]["Name"], "ops-berlin");
    assert_eq!(made["Roles"].as_array().unwrap().len(), 1);
    assert_eq!(made["Policies"], Value::Null);
    assert_eq!(made["ExpirationTime"], Value::Null);

    let secret = made["SecretID"].as_str().unwrap();
    let own = ask(&server, "GET /v1/acl/token/self", Some(secret), "").await.json();
    assert_eq!(own["AccessorID"], made["AccessorID"]);
    let register = |name: &str| json!({ "Name": name, "Port": 1 }).to_string();
    let line = "PUT /v1/agent/service/register";
    assert_eq!(ask(&server, line, Some(secret), &register("red-web")).await.status, 200);
    assert_eq!(ask(&server, line, Some(secret), &register("blue-web")).await.status, 403);
    assert_eq!(ask(&server, "GET /v1/kv/a", Some(secret), "").await.status, 404);
    assert_eq!(ask(&server, "PUT /v1/kv/a", Some(secret), "x").await.status, 403);
    assert_eq!(ask(&server, "GET /v1/acl/tokens", Some(secret), "").await.status, 403);

    let blue = login(&server, "machines", &signer.token(json!({ "team": "Blue" }))).await.json();
    assert_eq!(blue["Policies"][0]["Name"], "reads");
    assert_eq!(blue["ServiceIdentities"], json!([{ "ServiceName": "blue-web" }]));
    assert_eq!((&blue["Roles"], &blue["NodeIdentities"]), (&Value::Null, &Value::Null));
    let green = login(&server, "machines", &signer.token(json!({ "team": "Green" }))).await.json();
    let templates = green["TemplatedPolicies"].as_array().unwrap();
    let named = |name: &str| templates.iter().find(|it| it["TemplateName"] == name).unwrap();
    assert_eq!(named("builtin/service")["TemplateVariables"], json!({ "name": "green-api" }));
    assert_eq!(
        (named("builtin/dns")["TemplateName"].as_str(), templates.len()),
        (Some("builtin/dns"), 2)
    );
    let green = green["SecretID"].as_str().unwrap();
    let register = |name: &str| json!({ "Name": name, "Port": 1 }).to_string();
    assert_eq!(ask(&server, line, Some(green), &register("green-api")).await.status, 200);
    assert_eq!(ask(&server, line, Some(green), &register("green-db")).await.status, 403);
    assert_eq!(tokens(&server, "machines").await, 3);
    assert_eq!(tokens(&server, "other").await, 0);

    // Its holder gives it back, and nobody else's; one that would outlive the method is not made of it.
    let id = made["AccessorID"].as_str().unwrap();
    let clone = ask(&server, &format!("PUT /v1/acl/token/{id}/clone"), Some(ROOT), "{}").await;
    assert_eq!((clone.status, clone.body.contains("Cannot clone")), (400, true), "{clone:?}");
    for token in [None, Some("nobody's"), Some(ROOT)] {
        let out = ask(&server, "POST /v1/acl/logout", token, "").await;
        assert_eq!(out.status, 403, "{token:?}: {out:?}");
    }
    let out = ask(&server, "POST /v1/acl/logout", Some(secret), "").await;
    assert_eq!((out.status, &*out.body), (200, "true"), "{out:?}");
    assert_eq!(ask(&server, "GET /v1/acl/token/self", Some(secret), "").await.status, 403);
    assert_eq!(ask(&server, "POST /v1/acl/logout", Some(secret), "").await.status, 403);
    assert_eq!(tokens(&server, "machines").await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logged_in_by_one_server_is_known_to_all() {
    let servers = start(3).await;
    let signer = Signer::new("a");
    method(&servers[0], "machines", &signer).await;
    rule(&servers[1], "machines", "service", "web", "").await;
    for round in 0..6 {
        let secret = let_in(&servers[round % 3], "machines", &signer.token(json!({}))).await;
        let other = &servers[(round + 1) % 3];
        let own = ask(other, "GET /v1/acl/token/self", Some(&secret), "").await;
        assert_eq!(own.status, 200, "{own:?}");
        let out = ask(&servers[(round + 2) % 3], "POST /v1/acl/logout", Some(&secret), "").await;
        assert_eq!(out.status, 200, "{out:?}");
        assert_eq!(ask(other, "GET /v1/acl/token/self", Some(&secret), "").await.status, 403);
    }
    for server in servers {
        server.stop().await;
    }
}
