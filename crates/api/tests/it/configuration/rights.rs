use proto::authpb;
use proto::etcdserverpb as etcd;
use proto::etcdserverpb::auth_client::AuthClient;
use proto::hiraeth::v1 as pb;
use tonic::{Request, Status};

use super::{Client, client, text};
use crate::server::Server;

fn of(namespace: &str) -> Option<pb::ConfigName> {
    Some(pb::ConfigName { namespace: namespace.into(), group: "g".into(), name: "a".into() })
}

fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("token", token.parse().unwrap());
    request
}

async fn release(client: &mut Client, token: &str, namespace: &str) -> Result<(), Status> {
    let request =
        pb::ReleaseRequest { name: of(namespace), content: text("x"), ..Default::default() };
    client.release(by(token, request)).await.map(drop)
}

/// Leave for the keys of a namespace is leave for its configurations, and a version says who made it.
#[tokio::test(flavor = "multi_thread")]
async fn rights_go_by_namespace_and_authors_are_who_they_are() {
    let server = Server::start().await;
    let mut client = client(&server);
    // Makes the keyspace, so that something can be granted there.
    assert!(
        client.get(pb::GetConfigRequest { name: of("team"), ..Default::default() }).await.is_err()
    );
    let mut auth = AuthClient::new(server.channel.clone());
    let text_of = str::to_owned;
    for user in ["root", "ann"] {
        let (name, password) = (text_of(user), text_of(user));
        auth.user_add(etcd::AuthUserAddRequest { name, password, ..Default::default() })
            .await
            .unwrap();
    }
    auth.role_add(etcd::AuthRoleAddRequest { name: "team".into() }).await.unwrap();
    let (key, range_end) = ("team/".into(), "team0".into());
    let perm_type = authpb::permission::Type::Readwrite.into();
    let perm = Some(authpb::Permission { perm_type, key, range_end });
    let mut grant =
        Request::new(etcd::AuthRoleGrantPermissionRequest { name: "team".into(), perm });
    grant.metadata_mut().insert("hiraeth-keyspace", "config".parse().unwrap());
    auth.role_grant_permission(grant).await.unwrap();
    // What it may read only.
    let perm_type = authpb::permission::Type::Read.into();
    let (key, range_end) = ("shown/".into(), "shown0".into());
    let perm = Some(authpb::Permission { perm_type, key, range_end });
    let mut grant =
        Request::new(etcd::AuthRoleGrantPermissionRequest { name: "team".into(), perm });
    grant.metadata_mut().insert("hiraeth-keyspace", "config".parse().unwrap());
    auth.role_grant_permission(grant).await.unwrap();
    for (user, role) in [("root", "root"), ("ann", "team")] {
        let (user, role) = (text_of(user), text_of(role));
        auth.user_grant_role(etcd::AuthUserGrantRoleRequest { user, role }).await.unwrap();
    }
    auth.auth_enable(etcd::AuthEnableRequest {}).await.unwrap();
    let login = etcd::AuthenticateRequest { name: "ann".into(), password: "ann".into() };
    let ann = auth.authenticate(login).await.unwrap().into_inner().token;

    release(&mut client, &ann, "team").await.unwrap();
    let refused = release(&mut client, &ann, "other").await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: permission denied");
    // Whether it may is looked at before what it brings is: that is work.
    let content = super::json("{");
    let request =
        pb::ReleaseRequest { name: of("shown"), content: content.clone(), ..Default::default() };
    let schema = pb::SetSchemaRequest { name: of("shown"), schema: "{".into() };
    let gray = pb::StartGrayRequest {
        name: of("shown"),
        content,
        basis_points: Some(1),
        ..Default::default()
    };
    for refused in [
        client.release(by(&ann, request)).await.map(drop),
        client.start_gray(by(&ann, gray)).await.map(drop),
        client.set_schema(by(&ann, schema.clone())).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().message(), "etcdserver: permission denied");
    }
    let schema = pb::SetSchemaRequest { name: of("team"), ..schema };
    let refused = client.set_schema(by(&ann, schema)).await.unwrap_err();
    assert!(refused.message().contains("the schema is no JSON"), "{refused}");
    let got = client.get(by(&ann, pb::GetConfigRequest { name: of("team"), ..Default::default() }));
    assert_eq!(got.await.unwrap().into_inner().version.unwrap().author, "ann");
    let list = |namespace: &str| pb::ListConfigsRequest {
        namespace: namespace.into(),
        ..Default::default()
    };
    assert_eq!(client.list(by(&ann, list("team"))).await.unwrap().into_inner().configs.len(), 1);
    assert!(client.list(by(&ann, list(""))).await.is_err());

    // A stream ends with the leave that it began by.
    let follow = pb::WatchConfigRequest { name: of("team"), ..Default::default() };
    let mut told = client.watch(by(&ann, follow)).await.unwrap().into_inner();
    assert!(told.message().await.unwrap().unwrap().value.is_some());
    let login = etcd::AuthenticateRequest { name: "root".into(), password: "root".into() };
    let root = auth.authenticate(login).await.unwrap().into_inner().token;
    let revoke = etcd::AuthUserRevokeRoleRequest { name: "ann".into(), role: "team".into() };
    auth.user_revoke_role(by(&root, revoke)).await.unwrap();
    let ended = told.message().await.unwrap_err();
    assert_eq!(ended.message(), "etcdserver: permission denied");
    server.stop().await;
}
