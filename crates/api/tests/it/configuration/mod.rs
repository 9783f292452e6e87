//! Configurations, over real sockets.

mod foreign;
mod gray;
mod http;
mod releases;
mod rights;
mod schemas;
mod watches;

use bytes::Bytes;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::config_client::ConfigClient;
use tonic::Status;
use tonic::transport::Channel;

use crate::server::Server;

type Client = ConfigClient<Channel>;

fn client(server: &Server) -> Client {
    ConfigClient::new(server.channel.clone())
}

fn name(name: &str) -> Option<pb::ConfigName> {
    Some(pb::ConfigName { name: name.to_owned(), ..Default::default() })
}

fn text(text: &str) -> Option<pb::ConfigContent> {
    let content = Bytes::from(text.to_owned());
    Some(pb::ConfigContent { content, ..Default::default() })
}

fn json(text: &str) -> Option<pb::ConfigContent> {
    let (content, kind) = (Bytes::from(text.to_owned()), pb::ConfigContentType::Json);
    Some(pb::ConfigContent { content, content_type: kind.into(), ..Default::default() })
}

/// The number of the new version.
async fn release(
    client: &mut Client,
    of: &str,
    content: Option<pb::ConfigContent>,
) -> Result<u64, Status> {
    let request = pb::ReleaseRequest { name: name(of), content, ..Default::default() };
    Ok(client.release(request).await?.into_inner().version.unwrap().version)
}

/// What a client of this id gets: the version, the content, whether it is gray.
async fn get(client: &mut Client, of: &str, id: &str) -> Result<(u64, Bytes, bool), Status> {
    let who = pb::ConfigClient { id: id.to_owned(), ..Default::default() };
    let request = pb::GetConfigRequest { name: name(of), client: Some(who), stale: false };
    let answer = client.get(request).await?.into_inner();
    Ok((answer.version.unwrap().version, answer.content, answer.gray))
}

async fn history(client: &mut Client, of: &str) -> pb::HistoryResponse {
    let request = pb::HistoryRequest { name: name(of), ..Default::default() };
    client.history(request).await.unwrap().into_inner()
}

/// The beginning of the words of a refusal, after `hiraeth: `.
fn told<T>(answer: Result<T, Status>) -> String {
    let status = answer.err().unwrap();
    let words = status.message();
    words.strip_prefix("hiraeth: ").unwrap_or_else(|| panic!("{words}")).to_owned()
}
