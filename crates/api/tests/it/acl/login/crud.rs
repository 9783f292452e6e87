//! Methods and rules as they are written, read and refused.

use serde_json::{Value, json};

use super::super::ask::{ROOT, ask, do_it, start, token};
use super::sign::Signer;

#[tokio::test(flavor = "multi_thread")]
async fn methods_are_made_read_changed_and_removed() {
    let server = start(1).await.remove(0);
    let config = json!({
        "Host": "https://192.0.2.1:8443",
        "CACert": include_str!("../../../../../jwt/testdata/certificate.pem"),
        "ServiceAccountJWT": "a.b.c",
    });
    let method = json!({
        "Name": "pods", "Type": "kubernetes", "DisplayName": "Pods", "Description": "d",
        "MaxTokenTTL": "4m20s", "TokenLocality": "global", "TokenNameFormat": "f",
        "Config": config,
    });
    let made = do_it(&server, "PUT /v1/acl/auth-method", method.clone()).await;
    for (field, value) in method.as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    assert_eq!(made["CreateIndex"], made["ModifyIndex"]);
    let path = "/v1/acl/auth-method/pods";
    assert_eq!(do_it(&server, &format!("GET {path}"), Value::Null).await, made);
    let list = do_it(&server, "GET /v1/acl/auth-methods", Value::Null).await;
    let mut entry = made.clone();
    entry.as_object_mut().unwrap().remove("Config");
    assert_eq!(list, json!([entry]));
    // Who may only read is not shown by what a server is let into Kubernetes.
    let (_, reader) = token(&server, "reads", "acl = \"read\"").await;
    let read = ask(&server, &format!("GET {path}"), Some(&reader), "").await;
    assert_eq!(read.json()["Config"]["ServiceAccountJWT"], "<hidden>", "{read:?}");
    let refused = ask(&server, &format!("PUT {path}"), Some(&reader), &method.to_string()).await;
    assert_eq!(refused.status, 403);

    let changed = json!({ "Type": "kubernetes", "Description": "changed", "Config": config });
    let changed = do_it(&server, &format!("PUT {path}"), changed).await;
    assert_eq!(
        (&changed["Description"], &changed["TokenLocality"]),
        (&json!("changed"), &json!("local"))
    );
    assert_eq!(
        (&changed["MaxTokenTTL"], &changed["CreateIndex"]),
        (&Value::Null, &made["CreateIndex"])
    );
    assert_eq!(do_it(&server, &format!("DELETE {path}"), Value::Null).await, json!(true));
    assert_eq!(do_it(&server, &format!("DELETE {path}"), Value::Null).await, json!(true));
    let gone = ask(&server, &format!("GET {path}"), Some(ROOT), "").await;
    assert_eq!((gone.status, gone.body.contains("ACL not found")), (404, true));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_made_read_changed_and_removed() {
    let server = start(1).await.remove(0);
    let config = json!({ "JWTValidationPubKeys": [Signer::new("a").pem()],
                         "ClaimMappings": { "team": "team" } });
    for name in ["m", "n"] {
        let method = json!({ "Name": name, "Type": "jwt", "Config": config });
        do_it(&server, "PUT /v1/acl/auth-method", method).await;
    }
    let rule = json!({
        "AuthMethod": "m", "BindType": "templated-policy", "BindName": "builtin/service",
        "BindVars": { "Name": "${value.team}" }, "Description": "d",
        "Selector": r#"value.any == "x" and "y" in list.all"#,
    });
    let made = do_it(&server, "PUT /v1/acl/binding-rule", rule.clone()).await;
    for (field, value) in rule.as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    let path = format!("/v1/acl/binding-rule/{}", made["ID"].as_str().unwrap());
    assert_eq!(do_it(&server, &format!("GET {path}"), Value::Null).await, made);
    for (query, count) in [("", 1), ("?authmethod=m", 1), ("?authmethod=n", 0)] {
        let list = format!("GET /v1/acl/binding-rules{query}");
        let list = do_it(&server, &list, Value::Null).await;
        assert_eq!(list.as_array().unwrap().len(), count, "{query}");
    }
    let changed = json!({ "BindType": "service", "BindName": "web" });
    let changed = do_it(&server, &format!("PUT {path}"), changed).await;
    assert_eq!((&changed["AuthMethod"], &changed["BindVars"]), (&json!("m"), &Value::Null));
    assert_eq!(changed["CreateIndex"], made["CreateIndex"]);
    assert_eq!(do_it(&server, &format!("DELETE {path}"), Value::Null).await, json!(true));
    let gone = ask(&server, &format!("GET {path}"), Some(ROOT), "").await;
    assert_eq!((gone.status, gone.body.contains("ACL not found")), (404, true));
    let gone = ask(&server, &format!("PUT {path}"), Some(ROOT), "{}").await;
    assert_eq!(gone.status, 404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_them_is_told() {
    let server = start(1).await.remove(0);
    let config = json!({ "JWTValidationPubKeys": [Signer::new("a").pem()] });
    let good = json!({ "Name": "m", "Type": "jwt", "Config": config });
    do_it(&server, "PUT /v1/acl/auth-method", good.clone()).await;
    let changed = |base: &Value, field: &str, value: Value| {
        let mut all = base.clone();
        all[field] = value;
        all.to_string()
    };
    let method = |field, value| changed(&good, field, value);
    let put = "PUT /v1/acl/auth-method";
    for (line, body, why) in [
        (put, method("Name", json!("")), "no Name is set"),
        (put, method("Name", json!("a b")), "invalid Name. Only alphanumeric characters"),
        (put, method("Name", json!("a".repeat(129))), "invalid Name"),
        (put, method("Type", json!("oidc")), "which is not built"),
        (put, method("Type", json!("aws-iam")), "is not built"),
        (put, method("Type", json!("x")), "Type should be one of: [jwt kubernetes]"),
        (put, method("TokenLocality", json!("x")), "TokenLocality should be one of"),
        (put, method("MaxTokenTTL", json!("10ms")), "MaxTokenTTL cannot be less than"),
        (put, method("MaxTokenTTL", json!("-1s")), "invalid duration"),
        (put, method("Config", json!({})), "exactly one of 'JWTValidationPubKeys'"),
        (
            put,
            method("Config", json!({ "JWTValidationPubKeys": ["x"] })),
            "error parsing public key",
        ),
        (put, method("Description", json!("a".repeat(1_025))), "at most 1024 are allowed"),
        (put, method("NamespaceRules", json!([{}])), "Enterprise"),
        (
            put,
            changed(
                &json!({ "Name": "m", "Type": "kubernetes" }),
                "Config",
                json!({
                    "Host": "a", "ServiceAccountJWT": "a.b.c",
                    "CACert": include_str!("../../../../../jwt/testdata/certificate.pem"),
                }),
            ),
            "Changing an auth method's type",
        ),
        ("PUT /v1/acl/auth-method/other", method("Name", json!("m")), "do not match"),
    ] {
        let came = ask(&server, line, Some(ROOT), &body).await;
        assert_eq!((came.status, came.body.contains(why)), (400, true), "{why}: {came:?}");
    }
    let good = json!({ "AuthMethod": "m", "BindType": "service", "BindName": "web" });
    let rule = |field, value| changed(&good, field, value);
    let template = |name: &str, variables: Value| {
        let kind = "templated-policy";
        let all = json!({ "AuthMethod": "m", "BindType": kind, "BindName": name });
        changed(&all, "BindVars", variables)
    };
    for (body, why) in [
        (rule("AuthMethod", json!("")), "no AuthMethod is set"),
        (rule("AuthMethod", json!("none")), "cannot find auth method with name \"none\""),
        (rule("BindType", json!("x")), "unknown BindType \"x\""),
        (rule("BindName", json!("")), "no BindName is set"),
        (rule("BindName", json!("a b")), "invalid BindName"),
        (rule("BindName", json!("${value.team}")), "unknown variable accessed: value.team"),
        (rule("Selector", json!("value.")), "Selector is invalid"),
        (rule("Selector", json!("serviceaccount.name == \"a\"")), "Selector is invalid"),
        (rule("BindVars", json!({ "Name": "x" })), "BindVars are for"),
        (template("builtin/none", json!({})), "no such ACL templated policy"),
        (template("builtin/service", json!({})), "takes BindVars with a Name"),
        (template("builtin/service", json!({ "Name": "${value.x}" })), "unknown variable accessed"),
        (template("builtin/service", json!({ "Name": "a b" })), "comes to no name"),
        (rule("ID", json!("x")), "Cannot specify the ID"),
    ] {
        let came = ask(&server, "PUT /v1/acl/binding-rule", Some(ROOT), &body).await;
        assert_eq!((came.status, came.body.contains(why)), (400, true), "{why}: {came:?}");
    }
    let came = ask(&server, "POST /v1/acl/login", None, "{}").await;
    assert_eq!(came.status, 400, "{came:?}");
    server.stop().await;
}
