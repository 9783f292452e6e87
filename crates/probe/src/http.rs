use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::outcome::OUTPUT_BYTES;
use crate::target::{Http, host};
use crate::{Networks, Outcome, Standing};

pub(crate) async fn probe(http: &Http, networks: &Networks) -> Outcome {
    let stream = match networks.connect(&http.address).await {
        Ok(stream) => stream,
        Err(why) => return Outcome::critical(why),
    };
    let asked = match &http.tls {
        None => ask(http, stream, OUTPUT_BYTES).await,
        Some(tls) => match tls.connect(host(&http.address), Some(b"http/1.1"), stream).await {
            Ok(stream) => ask(http, stream, OUTPUT_BYTES).await,
            Err(why) => Err(why.into()),
        },
    };
    match asked {
        Ok((status, body)) => {
            let standing = match status {
                StatusCode::TOO_MANY_REQUESTS => Standing::Warning,
                status if status.is_success() => Standing::Passing,
                _ => Standing::Critical,
            };
            let (method, url) = (&http.method, &http.url);
            let body = String::from_utf8_lossy(&body);
            Outcome::new(standing, format!("HTTP {method} {url}: {status} Output: {body}"))
        }
        Err(why) => Outcome::critical(format!("{} {}: {why}", http.method, http.url)),
    }
}

/// Sends a request, and reads `most` bytes of what is answered.
pub(crate) async fn ask(
    http: &Http,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    most: usize,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(16 * 1024)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await?;
    // Ends with this call, whatever comes of it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut request = Request::builder()
        .method(http.method.clone())
        .uri(&http.path)
        .body(Full::from(Bytes::from(http.body.clone())))?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&http.host)?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in &http.headers {
        headers.append(name, value.clone());
    }
    // Whoever describes the request may say otherwise.
    for (name, usual) in [(USER_AGENT, "Consul Health Check"), (ACCEPT, "text/plain, text/*, */*")]
    {
        headers.entry(name).or_insert(HeaderValue::from_static(usual));
    }
    let response = sender.send_request(request).await?;
    Ok((response.status(), read(response, most).await))
}

/// The beginning of what is answered; what is longer is not read.
async fn read<B>(response: Response<B>, most: usize) -> Bytes
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut body = Limited::new(response.into_body(), most * 4);
    let mut read = Vec::new();
    while read.len() < most
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
    }
    read.truncate(most);
    read.into()
}
