//! Consul's blocking queries.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::calls::http;
use super::cluster::{in_front_of, members};
use super::registry::metric;

fn index(answer: &str) -> u64 {
    let line = answer.lines().find_map(|line| line.strip_prefix("x-consul-index: "));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_the_same_waits_for_one_answer() {
    let members = members(3).await;
    let address = in_front_of(&members).await;
    let register = |id: &str| format!(r#"{{"Name":"web","ID":"{id}","Port":80}}"#);
    http(&address, "PUT /v1/agent/service/register", &register("one")).await;
    let now = index(&http(&address, "GET /v1/health/service/web", "").await);
    let target = format!("GET /v1/health/service/web?index={now}&wait=30s");
    let other = format!("GET /v1/health/service/web?index={now}&wait=29s");
    let mut waiting = Vec::new();
    for number in 0..100 {
        let target = if number == 0 { other.clone() } else { target.clone() };
        let address = address.clone();
        waiting.push(tokio::spawn(async move { http(&address, &target, "").await }));
    }
    while metric(&address, "hiraeth_gateway_queries_total ").await < 100 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(metric(&address, "hiraeth_gateway_queries_sent_total ").await, 2);
    assert!(waiting.iter().all(|it| !it.is_finished()), "nothing happened yet");
    http(&members[1].address, "PUT /v1/agent/service/register", &register("two")).await;
    for answer in waiting {
        let answer = timeout(Duration::from_secs(10), answer).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && index(&answer) > now, "{answer}");
        assert!(
            answer.contains("content-length: ") && answer.contains(r#""ID":"two""#),
            "{answer}"
        );
    }

    // Whose clients have all gone is taken back, and asked anew for the next.
    let now = index(&http(&address, "GET /v1/health/service/web", "").await);
    let target = format!("GET /v1/health/service/web?index={now}&wait=60s");
    assert!(timeout(Duration::from_millis(200), http(&address, &target, "")).await.is_err());
    let streams = format!("hiraeth_gateway_member_streams{{member=\"{}\"}} ", members[0].address);
    let mut left = 0;
    for _ in 0..100 {
        left = 0;
        for member in &members {
            let name = streams.replace(&members[0].address, &member.address);
            left += metric(&address, &name).await;
        }
        if left == 0 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(left, 0, "it still waits at a member");
}
