// What the shipped tests take from their own `testing` module, with the nodes of `ENDPOINTS`.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use etcd_client::{Client, ConnectOptions, Error};

pub type Result<T> = std::result::Result<T, Error>;

static TESTS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // A test has a thread of its own: it keeps one node, the next test takes the next.
    static ENDPOINT: OnceCell<&'static str> = const { OnceCell::new() };
}

#[allow(dead_code)]
pub fn default_test_endpoint() -> &'static str {
    ENDPOINT.with(|endpoint| {
        *endpoint.get_or_init(|| {
            let list: &'static str = std::env::var("ENDPOINTS").expect("ENDPOINTS").leak();
            let nodes: Vec<&str> = list.split(',').collect();
            nodes[TESTS.fetch_add(1, Ordering::Relaxed) % nodes.len()]
        })
    })
}

pub async fn get_client() -> Result<Client> {
    let options = ConnectOptions::default().with_require_leader(true);
    Client::connect([default_test_endpoint()], Some(options)).await
}

#[allow(dead_code)]
pub async fn get_auth_client(options: Option<ConnectOptions>) -> Result<Client> {
    let options = options.unwrap_or_default().with_require_leader(true);
    let options = options.with_user("root".to_owned(), "rootpwd".to_owned());
    Client::connect([default_test_endpoint()], Some(options)).await
}
