//! A small server that tells keys, or what Kubernetes would.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What was asked: the head of a request, and its body.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) struct Provider {
    pub(super) url: String,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    /// One that answers as this says.
    pub(super) async fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut read = Vec::new();
                let request = loop {
                    let text = String::from_utf8_lossy(&read).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let head = head.to_owned();
                        let length = head.to_lowercase();
                        let length = length.split("content-length: ").nth(1);
                        let length = length.and_then(|it| it.split("\r\n").next()?.parse().ok());
                        if body.len() >= length.unwrap_or(0_usize) {
                            let line = head.lines().next().unwrap_or_default().to_owned();
                            break Some(Asked { line, head, body: body.to_owned() });
                        }
                    }
                    let mut more = [0; 4_096];
                    match stream.read(&mut more).await {
                        Ok(length) if length > 0 => read.extend_from_slice(&more[..length]),
                        _ => break None,
                    }
                };
                let Some(request) = request else { continue };
                let (status, body) = answer(&request);
                kept.lock().push(request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n");
                drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
            }
        });
        Self { url, asked, task }
    }

    pub(super) fn count(&self) -> usize {
        self.asked.lock().len()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
