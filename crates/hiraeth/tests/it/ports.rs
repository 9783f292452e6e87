//! Ports that nobody uses.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those the system hands out by itself, in tens as `hiraeth cluster` lays them out.
const FIRST: u16 = 10_000;
const TENS: u16 = 2_200;

/// The first of `tens` times ten ports, all free now, and not handed out again in this process.
pub(crate) fn free(tens: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at once begin in different places.
    let begin = (std::process::id() % u32::from(TENS)) as u16;
    for _ in 0..TENS {
        let at = NEXT.fetch_add(tens, Ordering::Relaxed);
        let ten = begin.wrapping_add(at) % (TENS - tens);
        let first = FIRST + ten * 10;
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first..first + tens * 10).all(is_free) {
            return first;
        }
    }
    panic!("there are no free ports");
}
