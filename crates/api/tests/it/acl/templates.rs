//! Templated policies: rules that are there, with a name left open.

use serde_json::json;

use super::ask::{ROOT, ask, do_it, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_template_gives_its_rules_for_the_name_that_is_set() {
    let server = start(1).await.remove(0);
    let all = do_it(&server, "GET /v1/acl/templated-policies", json!(null)).await;
    for (name, template) in all.as_object().unwrap() {
        assert_eq!(&template["TemplateName"], name);
        let line = format!("GET /v1/acl/templated-policy/name/{name}");
        assert_eq!(&do_it(&server, &line, json!(null)).await, template);
        let preview = format!("POST /v1/acl/templated-policy/preview/{name}");
        let policy = do_it(&server, &preview, json!({ "Name": "web" })).await;
        // As a policy of its own it can be had, too.
        let rules = json!({ "Name": name.replace('/', "-"), "Rules": policy["Rules"] });
        do_it(&server, "PUT /v1/acl/policy", rules).await;
    }

    let link = |name: &str| {
        let variables = json!({ "name": name });
        json!([{ "TemplateName": "builtin/service", "TemplateVariables": variables }])
    };
    let role = json!({ "Name": "web", "TemplatedPolicies": link("web") });
    let role = do_it(&server, "PUT /v1/acl/role", role).await;
    assert_eq!(role["TemplatedPolicies"], link("web"));
    for body in
        [json!({ "TemplatedPolicies": link("web") }), json!({ "Roles": [{ "Name": "web" }] })]
    {
        let made = do_it(&server, "PUT /v1/acl/token", body).await;
        let secret = made["SecretID"].as_str().unwrap();
        for (name, status) in [("web", 200), ("web-sidecar-proxy", 200), ("db", 403)] {
            let body = json!({ "Name": name }).to_string();
            let came = ask(&server, "PUT /v1/agent/service/register", Some(secret), &body).await;
            assert_eq!(came.status, status, "{name}: {came:?}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_template_or_no_name_is_refused() {
    let server = start(1).await.remove(0);
    let no_rules = "web\" { policy = \"write\" } acl = \"write\" service \"x";
    for (name, variables) in [
        ("builtin/none", json!({ "Name": "web" })),
        ("builtin/service", json!({})),
        ("builtin/service", json!({ "Name": no_rules })),
        ("builtin/service", json!({ "Name": 7 })),
    ] {
        let policy = json!({ "TemplateName": name, "TemplateVariables": variables });
        let body = json!({ "TemplatedPolicies": [policy] }).to_string();
        let preview = format!("POST /v1/acl/templated-policy/preview/{name}");
        for (line, body) in [("PUT /v1/acl/token", body), (&*preview, variables.to_string())] {
            let came = ask(&server, line, Some(ROOT), &body).await;
            assert_eq!(came.status, 400, "{line} {body}: {came:?}");
        }
    }
    let came = ask(&server, "GET /v1/acl/templated-policy/name/none", Some(ROOT), "").await;
    assert_eq!((came.status, &*came.body), (400, "Invalid templated policy Name: none"));
    server.stop().await;
}
