use client::Client;
use serde_json::Value;

use crate::cli::failure::Refused;
use crate::cli::remote::Remote;

/// The servers' `/v1/acl`.
pub(super) struct Door {
    client: Client,
    endpoints: Vec<String>,
}

impl Door {
    pub(super) fn new(remote: &Remote) -> anyhow::Result<Self> {
        let bare = |it: &String| {
            let it = it.strip_prefix("https://").or(it.strip_prefix("http://")).unwrap_or(it);
            it.to_owned()
        };
        Ok(Self {
            client: remote.client()?,
            endpoints: remote.endpoints.iter().map(bare).collect(),
        })
    }

    /// Asks the first server that answers. What changes something is not asked of a second one: it may have
    /// been done.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let path = format!("/v1/acl/{path}");
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut last = None;
        for endpoint in &self.endpoints {
            match self.client.http(endpoint, method, &path, body.clone()).await {
                Ok(answer) if answer.status == 200 => {
                    return Ok(serde_json::from_str(&answer.text)?);
                }
                Ok(answer) => {
                    return Err(Refused { status: answer.status, text: answer.text }.into());
                }
                Err(error) => {
                    last = Some(error);
                    if method != "GET" {
                        break;
                    }
                }
            }
        }
        Err(last.map_or_else(|| anyhow::anyhow!("there is nobody to ask"), Into::into))
    }

    /// The one of that name, or else of that id.
    pub(super) async fn named(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        let by_name = self.ask("GET", &format!("{kind}/name/{}", escaped(name)), None).await;
        match by_name {
            Err(error) if error.downcast_ref::<Refused>().is_some_and(|it| it.status == 404) => {
                self.ask("GET", &format!("{kind}/{}", escaped(name)), None).await
            }
            other => other,
        }
    }
}

/// As part of a path.
pub(super) fn escaped(text: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes()
        .map(|byte| match keeps(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
