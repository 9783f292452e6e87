//! What there may be at most.

use state::command::Command;
use state::registry::RegistryAnswer;
use state::response::Response;
use types::{Code, limits};

use super::words;
use crate::replica::Replica;

fn register(replica: &mut Replica, text: &str) -> Result<Response, Code> {
    let command = Command::Registry(words::command(&format!("register n addr=h {text}")));
    let effects = replica.apply(None, command);
    replica.write();
    effects.outcome.result.map_err(|fault| fault.code)
}

fn checks(of: &str, ids: std::ops::Range<usize>) -> String {
    ids.map(|at| format!(" check={of}-{at:04},of:{of}")).collect()
}

/// Every answer about an instance shows all of them, and those of its node.
#[test]
fn checks_about_one_instance_are_bounded_and_those_that_are_there_stay_changeable() {
    let mut replica = Replica::of_registry();
    let most = limits::REGISTRY_CHECKS_BESIDE;
    let done = |changed| Ok(Response::Registry(RegistryAnswer::Done { changed }));
    register(&mut replica, "service=a").unwrap();
    register(&mut replica, "service=b").unwrap();
    for from in (0..most).step_by(limits::REGISTRY_CHECKS) {
        let text = checks("a", from..from + limits::REGISTRY_CHECKS);
        assert_eq!(register(&mut replica, &text), done(true));
    }
    assert_eq!(register(&mut replica, &checks("a", most..most + 1)), Err(Code::LimitReached));
    assert_eq!(register(&mut replica, " check=a-0003,of:a,passing"), done(true));
    assert_eq!(register(&mut replica, " check=a-0003,of:a,passing"), done(false));
    assert_eq!(register(&mut replica, &checks("b", 0..1)), done(true));
    // One of another instance's comes over: that is one more, too.
    assert_eq!(register(&mut replica, " check=b-0000,of:a"), Err(Code::LimitReached));
    assert_eq!(register(&mut replica, " check=a-0003,of:b"), done(true));
    assert_eq!(register(&mut replica, " check=b-0000,of:a"), done(true));
    let registry = replica.machine.registry().unwrap();
    assert_eq!(registry.counts()[3], most + 1);
}
