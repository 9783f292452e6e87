use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

/// Everything that a member looks at in a blocking query. What has it in common is answered alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Path and parameters as they were sent; a token may be among them.
    target: String,
    /// Whose rights they are held against.
    token: Option<Vec<u8>>,
    authorization: Option<Vec<u8>>,
    accept: Option<Vec<u8>>,
}

impl Key {
    /// Of a request, if it may be shared: one that waits for another answer than that of an index, and that
    /// does not want it confirmed after it asked.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        let target = head.uri.path_and_query()?.as_str();
        if head.method != Method::GET || !target.starts_with("/v1/") {
            return None;
        }
        let mut parameters = head.uri.query()?.split('&');
        let mut waits = false;
        let may_be_shared = parameters.all(|it| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            waits |= name == "index" && !value.is_empty() && value != "0";
            name != "consistent"
        });
        if !waits || !may_be_shared {
            return None;
        }
        let headers = &head.headers;
        Some(Self {
            target: target.to_owned(),
            token: bytes(headers, "x-consul-token"),
            authorization: bytes(headers, AUTHORIZATION.as_str()),
            accept: bytes(headers, ACCEPT.as_str()),
        })
    }
}

fn bytes(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    headers.get(name).map(HeaderValue::as_bytes).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::Key;

    fn key(target: &str, token: &str) -> Option<Key> {
        let request = Request::get(target).header("x-consul-token", token).body(()).unwrap();
        Key::of(&request.into_parts().0)
    }

    #[test]
    fn only_what_waits_is_shared_and_never_between_tokens() {
        assert!(key("/v1/health/service/web?index=7&wait=10s", "a").is_some());
        for target in [
            "/v1/health/service/web",
            "/v1/health/service/web?wait=10s",
            "/v1/health/service/web?index=0",
            "/v1/health/service/web?index=7&consistent",
            "/v3/kv/range?index=7",
        ] {
            assert!(key(target, "a").is_none(), "{target}");
        }
        let one = || key("/v1/kv/a?index=7", "a");
        assert!(one() == one());
        assert!(one() != key("/v1/kv/a?index=7", "b"));
        assert!(one() != key("/v1/kv/a?index=8", "a"));
    }
}
