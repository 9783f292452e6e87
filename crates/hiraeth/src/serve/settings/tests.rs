use super::{ClusterState, Settings};

#[test]
fn the_file_lies_beneath_the_flags_and_unknown_settings_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hiraeth.toml");
    std::fs::write(&path, "name = \"a\"\nlisten-peer = \"127.0.0.1:7\"\n").unwrap();
    let given =
        Settings { config: Some(path.clone()), name: Some("b".into()), ..Settings::default() };
    let resolved = given.resolve().unwrap();
    assert_eq!(resolved.node.name, "b");
    assert_eq!(resolved.node.listen_peer, "127.0.0.1:7");
    assert_eq!(resolved.node.initial_cluster, vec![("b".into(), "127.0.0.1:7".into())]);
    std::fs::write(&path, "nam = \"a\"\n").unwrap();
    let given = Settings { config: Some(path), ..Settings::default() };
    assert!(given.resolve().is_err_and(|error| format!("{error:#}").contains("nam")));
}

#[test]
fn what_etcdctl_prints_for_a_new_member_makes_it_join_the_others() {
    let members = ["a=http://10.0.0.1:2380", "d=http://10.0.0.4:2380/"].map(String::from);
    let given = Settings {
        name: Some("d".into()),
        advertise_peer: Some("10.0.0.4:2380".into()),
        initial_cluster: Some(members.to_vec()),
        initial_cluster_state: Some(ClusterState::Existing),
        ..Settings::default()
    };
    let node = given.resolve().unwrap().node;
    assert_eq!(node.join, ["10.0.0.1:2380"]);
    assert_eq!(node.initial_cluster, [("d".into(), "10.0.0.4:2380".into())]);
    let encrypted = Some(vec!["https://10.0.0.1:2380".to_owned()]);
    let given = Settings { join: encrypted, ..Settings::default() };
    assert!(given.resolve().is_err_and(|error| error.to_string().contains("--peer-cert-file")));
}

#[test]
fn dns_is_served_where_it_is_asked_for_only() {
    assert!(Settings::default().resolve().unwrap().dns.is_none());
    let at = Some("127.0.0.1:8600".to_owned());
    let given = Settings { listen_dns: at.clone(), ..Settings::default() };
    assert_eq!(given.resolve().unwrap().dns.map(|(address, _)| address), at);
    for wrong in ["", "a..b", &"x".repeat(64)] {
        let given = Settings { dns_domain: Some(wrong.to_owned()), ..Settings::default() };
        assert!(given.resolve().is_err_and(|error| error.to_string().contains("DNS")));
    }
    let given = Settings { dns_ttl_s: Some(604_801), ..Settings::default() };
    assert!(given.resolve().is_err());
}

#[test]
fn an_address_nobody_can_reach_is_refused() {
    let given = Settings { listen_peer: Some("0.0.0.0:2380".into()), ..Settings::default() };
    assert!(given.resolve().is_err_and(|error| error.to_string().contains("advertise-peer")));
}
