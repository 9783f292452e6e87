use std::collections::BTreeSet;

use futures::future::join_all;
use proto::hiraeth::v1 as pb;
use tonic::Code;

use super::{client, get, history, name, release, text, told};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn of_releases_at_once_each_has_a_number_of_its_own() {
    let servers = Server::start_cluster(3).await;
    const EACH: u64 = 5;
    let writers = (0..9).map(|writer| {
        let mut client = client(&servers[writer % 3]);
        async move {
            let mut numbers = Vec::new();
            for at in 0..EACH {
                let content = format!("{writer} {at}");
                numbers.push((release(&mut client, "a", text(&content)).await.unwrap(), content));
            }
            numbers
        }
    });
    let made: Vec<_> = join_all(writers).await.into_iter().flatten().collect();
    let numbers: BTreeSet<u64> = made.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=9 * EACH).collect());
    for (version, content) in made {
        let mut client = client(&servers[0]);
        let request = pb::GetVersionRequest { name: name("a"), version };
        assert_eq!(client.get_version(request).await.unwrap().into_inner().content, content);
    }
    // Of those who all expect the same version, one wins.
    let expecting = (0..9).map(|writer| {
        let mut client = client(&servers[writer % 3]);
        let content = text(&format!("expected {writer}"));
        let expected = Some(9 * EACH);
        let request = pb::ReleaseRequest { name: name("a"), content, expected, keep: None };
        async move { client.release(request).await.map(drop) }
    });
    let answers = join_all(expecting).await;
    let lost = answers.iter().filter_map(|answer| answer.as_ref().err());
    let lost: Vec<_> = lost.map(|status| (status.code(), status.message())).collect();
    assert_eq!(lost.len(), 8, "{lost:?}");
    let words = "expected at version 45";
    assert!(lost.iter().all(|(code, told)| *code == Code::Aborted && told.contains(words)));
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_is_kept_within_bounds_told_and_gone_back_to() {
    let server = Server::start().await;
    let mut client = client(&server);
    for at in 1..=12 {
        let keep = (at == 1).then_some(5);
        let content = text(&format!("line\nvalue {at}\n"));
        let request = pb::ReleaseRequest { name: name("a"), content, expected: None, keep };
        client.release(request).await.unwrap();
    }
    let told_history = history(&mut client, "a").await;
    let numbers: Vec<u64> = told_history.versions.iter().map(|it| it.version).collect();
    assert_eq!((numbers, told_history.stable, told_history.keep), (vec![12, 11, 10, 9, 8], 12, 5));

    // The same once more makes nothing.
    let request = pb::ReleaseRequest {
        name: name("a"),
        content: text("line\nvalue 12\n"),
        ..Default::default()
    };
    let again = client.release(request).await.unwrap().into_inner();
    assert!(again.unchanged && again.version.unwrap().version == 12);

    let diff = pb::DiffRequest { name: name("a"), from: 8, to: 0 };
    let diff = client.diff(diff).await.unwrap().into_inner();
    assert_eq!(
        diff.diff,
        "--- default/default/a version 8\n+++ default/default/a version 12\n\
         @@ -1,2 +1,2 @@\n line\n-value 8\n+value 12\n"
    );

    let back = |to| pb::RollbackRequest {
        name: name("a"),
        to,
        comment: "it was better".into(),
        expected: None,
    };
    let refused = told(client.rollback(back(3)).await);
    assert_eq!(
        refused,
        "the version is not kept, or never was: version 3 of default/default/a; kept are 8 to 12"
    );
    let made = client.rollback(back(9)).await.unwrap().into_inner().version.unwrap();
    assert_eq!((made.version, made.of, made.origin()), (13, 9, pb::ConfigOrigin::Rollback));
    assert_eq!(get(&mut client, "a", "").await.unwrap(), (13, "line\nvalue 9\n".into(), false));
    // Without a number it goes back to what everybody got before.
    let made = client.rollback(back(0)).await.unwrap().into_inner().version.unwrap();
    assert_eq!((made.version, made.of), (14, 12));

    let gone = pb::DeleteConfigRequest { name: name("a"), expected: Some(13) };
    assert!(
        told(client.delete(gone).await).contains("expected at version 13, and is at version 14")
    );
    let gone = pb::DeleteConfigRequest { name: name("a"), expected: Some(14) };
    client.delete(gone).await.unwrap();
    assert_eq!(told(get(&mut client, "a", "").await), "no such configuration: default/default/a");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_by_namespace_group_and_name_in_pages() {
    let server = Server::start().await;
    let mut client = client(&server);
    let mut all = Vec::new();
    for (namespace, group) in [("a", "g"), ("a", "g-2"), ("a", "g0"), ("b", "g")] {
        for number in 0..3 {
            let of = pb::ConfigName {
                namespace: namespace.into(),
                group: group.into(),
                name: format!("c{number}"),
            };
            let request = pb::ReleaseRequest {
                name: Some(of.clone()),
                content: text("x"),
                ..Default::default()
            };
            client.release(request).await.unwrap();
            all.push(format!("{namespace}/{group}/c{number}"));
        }
    }
    for (namespace, group, prefix, count) in [
        ("", "", "", 12),
        ("a", "", "", 9),
        ("a", "g", "", 3),
        ("a", "g", "c1", 1),
        ("c", "", "", 0),
    ] {
        for limit in [1, 2, 5, 0] {
            let (mut found, mut after) = (BTreeSet::new(), None);
            loop {
                let (namespace, group) = (namespace.to_owned(), group.to_owned());
                let request = pb::ListConfigsRequest {
                    namespace,
                    group,
                    prefix: prefix.into(),
                    limit,
                    after: after.clone(),
                };
                let page = client.list(request).await.unwrap().into_inner();
                assert!(limit == 0 || page.configs.len() <= limit as usize);
                after = page.configs.last().and_then(|it| it.name.clone()).or(after);
                for info in page.configs {
                    let of = info.name.unwrap();
                    assert!(found.insert(format!("{}/{}/{}", of.namespace, of.group, of.name)));
                }
                if !page.more {
                    break;
                }
            }
            let expected = all.iter().filter(|it| {
                let mut parts = it.split('/');
                let mut fits = |wanted: &str| wanted.is_empty() || parts.next() == Some(wanted);
                fits(namespace) && fits(group) && it.rsplit('/').next().unwrap().starts_with(prefix)
            });
            let expected: BTreeSet<String> = expected.cloned().collect();
            assert_eq!(
                (found.len(), &found),
                (count, &expected),
                "{namespace} {group} {prefix} {limit}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_says_why() {
    let server = Server::start().await;
    let mut client = client(&server);
    for (of, content, words) in [
        ("", text("x"), "the configuration's name is missing"),
        ("a/b", text("x"), "has a '/' in it"),
        (
            "a",
            super::json("{\"a\": }"),
            "the content is no json: expected value at line 1 column 7",
        ),
        ("a", text(&"x".repeat((1 << 20) + 1)), "it may have 1048576"),
    ] {
        let status = release(&mut client, of, content).await.unwrap_err();
        let detail =
            status.metadata().get("hiraeth-detail").map(|it| it.to_str().unwrap().to_owned());
        let words_told = format!("{} {}", status.message(), detail.unwrap_or_default());
        assert!(words_told.contains(words), "{words_told}");
    }
    // What a stack or the memory does not hold.
    let key = vec!["a"; 79].join(".");
    let deep = format!("{}{key} = 1{}", format!("{key} = {{").repeat(79), "}".repeat(79));
    let wide = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), vec!["*a"; 100_000].join(", "));
    for (content, kind, words) in [
        (deep, pb::ConfigContentType::Toml, "it is nested deeper than 100 at line 1 column"),
        (
            wide,
            pb::ConfigContentType::Yaml,
            "more than 4194304 bytes, aliases written out at line 2",
        ),
    ] {
        let (content, content_type) = (content.into(), kind.into());
        let content = pb::ConfigContent { content, content_type, comment: String::new() };
        let refused = told(release(&mut client, "a", Some(content)).await);
        assert!(refused.contains(words), "{refused}");
    }
    let wrong = pb::ConfigContent { content_type: 9, ..Default::default() };
    assert!(
        told(release(&mut client, "a", Some(wrong)).await).contains("there is no content type 9")
    );
    let request =
        pb::ReleaseRequest { name: name("a"), content: text("x"), expected: Some(4), keep: None };
    let status = client.release(request).await.unwrap_err();
    assert!(status.message().ends_with("was expected at version 4, and is not there"), "{status}");
    assert_eq!(release(&mut client, "a", text("x")).await.unwrap(), 1);
    let request =
        pb::ReleaseRequest { name: name("a"), content: text("y"), expected: Some(0), keep: None };
    assert!(
        told(client.release(request).await)
            .contains("expected not to be there, and is at version 1")
    );
    server.stop().await;
}
