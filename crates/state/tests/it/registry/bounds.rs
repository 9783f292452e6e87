//! What there may be at most.

use state::command::Command;
use state::registry::{KvCondition, KvOp, KvWrite, RegistryAnswer, RegistryCommand, TxnOp};
use state::response::Response;
use types::{Code, limits};

use super::words;
use crate::replica::Replica;

fn register(replica: &mut Replica, text: &str) -> Result<Response, Code> {
    run(replica, words::command(&format!("register n addr=h {text}")))
}

fn run(replica: &mut Replica, command: RegistryCommand) -> Result<Response, Code> {
    let effects = replica.apply(None, Command::Registry(command));
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
    let done = |changed| Ok(changed);
    let register = |replica: &mut Replica, text: &str| {
        register(replica, text).map(|answer| match answer {
            Response::Registry(RegistryAnswer::Registered { changed, .. }) => changed,
            other => panic!("{other:?}"),
        })
    };
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

#[test]
fn a_registration_is_measured_by_all_of_its_texts() {
    let mut replica = Replica::of_registry();
    let said = "x".repeat(limits::REGISTRY_TEXT_BYTES);
    let checks = |count: usize| -> String {
        (0..count).map(|at| format!(" check=c{at},said:{said}")).collect()
    };
    let most = limits::REGISTRY_BYTES / limits::REGISTRY_TEXT_BYTES;
    assert_eq!(register(&mut replica, &checks(most)), Err(Code::InvalidArgument));
    register(&mut replica, &checks(most - 1)).unwrap();
}

#[test]
fn a_transaction_is_bounded_in_operations_and_in_what_it_asks_for_and_answers() {
    let mut replica = Replica::of_registry();
    let most = limits::REGISTRY_TXN_OPERATIONS;
    let get = |_| TxnOp::Kv(KvOp::GetOrEmpty { key: "k".into() });
    let gets = |count| RegistryCommand::Txn((0..count).map(get).collect());
    assert_eq!(run(&mut replica, gets(most + 1)), Err(Code::InvalidArgument));
    run(&mut replica, gets(most)).unwrap();

    let put = |at: usize, bytes: usize| {
        let condition = KvCondition::Always;
        let key = format!("t/{at}").into();
        TxnOp::Kv(KvOp::Put(KvWrite { key, value: vec![7; bytes].into(), flags: 0, condition }))
    };
    let value = limits::REGISTRY_KV_BYTES;
    let puts = |bytes| RegistryCommand::Txn((0..3).map(|at| put(at, bytes)).collect());
    assert_eq!(run(&mut replica, puts(value)), Err(Code::RequestTooLarge), "with the keys");
    let one = RegistryCommand::Txn(vec![put(9, value + 1)]);
    assert_eq!(run(&mut replica, one), Err(Code::RequestTooLarge));
    run(&mut replica, puts(value - 9)).unwrap();
    let tree = TxnOp::Kv(KvOp::GetTree { prefix: "t/".into() });
    let twice = |more| {
        let trees = [tree.clone(), tree.clone()];
        RegistryCommand::Txn(trees.into_iter().chain(more).collect())
    };
    let Ok(Response::Registry(RegistryAnswer::TxnRefused(errors))) =
        run(&mut replica, twice(Some(TxnOp::Kv(KvOp::Delete { key: "t/0".into() }))))
    else {
        panic!("more than may be answered")
    };
    let most = limits::REGISTRY_TXN_ANSWER_BYTES;
    assert_eq!((errors.len(), errors[0].op), (1, 1));
    assert_eq!(errors[0].what, format!("the answer has more than {most} bytes"));
    let found = run(&mut replica, RegistryCommand::Txn(vec![tree])).unwrap();
    assert!(matches!(found, Response::Registry(RegistryAnswer::TxnDone(kvs)) if kvs.len() == 3));
}

#[test]
fn the_trees_of_a_transaction_are_bounded_in_keys_all_together() {
    let mut replica = Replica::of_registry();
    let (operations, most) = (limits::REGISTRY_TXN_OPERATIONS, limits::REGISTRY_TXN_KEYS);
    let each = most / operations;
    let put = |at: usize| {
        let (key, value) = (format!("t/{at}").into(), "".into());
        let condition = KvCondition::Always;
        RegistryCommand::Kv(KvWrite { key, value, flags: 0, condition })
    };
    for at in 0..each {
        run(&mut replica, put(at)).unwrap();
    }
    // What is deleted once stays to be looked at until the transaction is through.
    let trees = || vec![TxnOp::Kv(KvOp::DeleteTree { prefix: "t/".into() }); operations];
    run(&mut replica, put(each)).unwrap();
    let refused = run(&mut replica, RegistryCommand::Txn(trees())).unwrap();
    let Response::Registry(RegistryAnswer::TxnRefused(errors)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((errors.len(), errors[0].op as usize), (1, operations - 1));
    assert_eq!(errors[0].what, format!("the trees of the transaction have more than {most} keys"));
    let trees = RegistryCommand::Txn(trees()[1..].to_vec());
    let done = run(&mut replica, trees).unwrap();
    assert!(matches!(done, Response::Registry(RegistryAnswer::TxnDone(_))), "{done:?}");
}
