use proto::hiraeth::v1 as pb;
use tonic::Status;

use super::{Client, client, get, history, json, name, release, told};
use crate::server::Server;

async fn set(client: &mut Client, of: &str, schema: &str) -> Result<u32, Status> {
    let request = pb::SetSchemaRequest { name: name(of), schema: schema.to_owned() };
    Ok(client.set_schema(request).await?.into_inner().checked)
}

const PORT: &str =
    r#"{"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}}}"#;
const NO_HOST: &str = r#"{"properties": {"host": false}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schema_does_not_allow_leaves_nothing_behind() {
    let server = Server::start().await;
    let mut client = client(&server);
    assert_eq!(set(&mut client, "a", PORT).await.unwrap(), 0);
    let refused = told(release(&mut client, "a", json(r#"{"port": "80"}"#)).await);
    assert_eq!(
        refused,
        "the content is not what it has to be: the content of default/default/a: by the schema of the \
         configuration: at /port: it is to be integer, and is string"
    );
    assert!(told(get(&mut client, "a", "").await).starts_with("no such configuration"));
    assert!(
        told(release(&mut client, "a", super::text("port=80")).await)
            .contains("a text cannot be held")
    );
    assert_eq!(release(&mut client, "a", json(r#"{"port": 80}"#)).await.unwrap(), 1);

    // That of the group counts, too, and for all in it.
    assert_eq!(set(&mut client, "", NO_HOST).await.unwrap(), 1);
    assert!(
        told(release(&mut client, "a", json(r#"{"port": 80, "host": "x"}"#)).await)
            .contains("at /host")
    );
    assert!(
        told(release(&mut client, "b", json(r#"{"host": "x"}"#)).await)
            .contains("schema of the group")
    );
    release(&mut client, "b", json("{}")).await.unwrap();

    // Neither does a gray release get by, nor one that goes back.
    let gray = pb::StartGrayRequest {
        name: name("a"),
        content: json("{}"),
        basis_points: Some(1),
        ..Default::default()
    };
    assert!(told(client.start_gray(gray).await).contains("the property \"port\" is missing"));
    assert_eq!(history(&mut client, "a").await.versions.len(), 1);

    // What is current has to be allowed by a schema when it is set.
    let refused = told(set(&mut client, "a", r#"{"required": ["more"]}"#).await);
    assert!(refused.contains("version 1 of default/default/a, which is current"), "{refused}");
    let refused = told(set(&mut client, "", r#"{"required": ["port"]}"#).await);
    assert!(refused.contains("of default/default/b, which is current"), "{refused}");
    assert!(told(set(&mut client, "a", r#"{"type": 5}"#).await).contains("the schema at /type"));
    let kept = pb::GetSchemaRequest { name: name("a") };
    assert_eq!(client.get_schema(kept).await.unwrap().into_inner().schema, PORT);

    set(&mut client, "a", "").await.unwrap();
    assert_eq!(release(&mut client, "a", json("{}")).await.unwrap(), 2);
    server.stop().await;
}
