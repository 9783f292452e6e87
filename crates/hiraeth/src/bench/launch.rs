//! From the command line to the report.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use proto::etcdserverpb::lease_client::LeaseClient;
use proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};

use super::data::Shape;
use super::driver::Workload;
use super::http2::{Status, code_name};
use super::measure::{Course, Measured, measure};
use super::options::{Arguments, Mode, Options};
use super::report::{Asked, Report};
use super::run::{Plan, Run, Stats};
use super::workload::{
    Batch, Beats, Board, Calls, Changes, Fill, Instances, KeepAlive, Lock, Lots, Mix, Operation,
    PushBoard, Range, Registrations, Subscribers, Txn, Watchers, Writers, requests,
};
use crate::cli::{Done, Format, code, grpc_exit, line, out};

/// Seconds the lease of all locks lives without renewal: longer than a run.
const LOCK_TTL: i64 = 3600;
/// The warm-up that goes with a duration.
const WARM_UP: Duration = Duration::from_secs(1);

/// Runs `bench` to its end.
pub(crate) fn launch(arguments: Arguments) -> ExitCode {
    if let Mode::Floor { listen } = &arguments.mode {
        return code(super::floor::serve(listen).map(|()| Done::Well));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(bench(&arguments.options, &arguments.mode)));
    code(result)
}

async fn bench(options: &Options, mode: &Mode) -> anyhow::Result<Done> {
    let shape = options.shape(mode)?;
    if options.fill && !matches!(mode, Mode::Fill) {
        let (measured, _) = load(options, &Mode::Fill, shape).await?;
        if let Some(done) = failure(&measured.stats) {
            tell_errors(&measured.stats);
            return Ok(done);
        }
    }
    let (measured, asked) = load(options, mode, shape).await?;
    let report = Report::new(&asked, &measured);
    if let Some(path) = &options.json_file {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    let mut out = out();
    match options.output {
        Format::Json => line(&mut out, &report)?,
        Format::Table => report.print(&mut out)?,
    }
    std::io::Write::flush(&mut out)?;
    Ok(failure(&measured.stats).unwrap_or(Done::Well))
}

/// What errors mean for the exit code: that of the error if nothing else happened.
fn failure(stats: &Stats) -> Option<Done> {
    let (_, worst) = stats.errors.values().max_by_key(|(count, _)| *count)?;
    Some(Done::Code(if stats.acknowledged == 0 {
        grpc_exit((*worst).cast_signed().into())
    } else {
        1
    }))
}

fn tell_errors(stats: &Stats) {
    for (kind, (count, _)) in &stats.errors {
        eprintln!("error: the keys could not be written: {count} times {kind}");
    }
}

async fn load<'a>(
    options: &'a Options,
    mode: &Mode,
    shape: Shape,
) -> anyhow::Result<(Measured, Asked<'a>)> {
    let (name, kinds) = describe(mode);
    let total = match mode {
        Mode::Fill => Some(requests(&shape)),
        _ => options.total,
    };
    let connections = options.connections();
    let plan = Plan {
        clients: options.clients as usize,
        connections,
        rate: options.rate.filter(|_| !matches!(mode, Mode::Fill)),
        total,
        timeout: options.timeout,
        seed: options.seed,
        keyspace: options.keyspace.clone(),
    };
    let asked = Asked {
        mode: name,
        endpoints: &options.endpoints,
        connections,
        clients: plan.clients,
        rate: plan.rate,
        shape,
        pids: &options.pids,
    };
    let course = Course {
        name,
        endpoints: &options.endpoints,
        warm_up: if total.is_some() { Duration::ZERO } else { options.warm_up.unwrap_or(WARM_UP) },
        duration: total.is_none().then_some(options.duration),
        pids: &options.pids,
        progress: options.progress,
    };
    let writes_beside = usize::from(matches!(mode, Mode::Watch { .. } | Mode::Push { .. }));
    let run = Run::new(plan, kinds, connections + writes_beside)?;
    let lease = if matches!(mode, Mode::Lock { .. }) { grant(options).await? } else { 0 };
    let lots = match mode {
        Mode::Batch { .. } => Rc::new(super::lots::lots(options, &shape).await?),
        _ => Rc::default(),
    };
    let workloads = workloads(&run, options, (mode, shape), lease, &lots);
    let measured = measure(&run, &course, workloads).await?;
    if lease != 0 {
        revoke(options, lease).await?;
    }
    if let Some(status) = run.fatal()
        && measured.stats.acknowledged == 0
    {
        return Err(tonic_status(&status));
    }
    Ok((measured, asked))
}

fn describe(mode: &Mode) -> (&'static str, &'static [&'static str]) {
    match mode {
        Mode::Put => ("put", &["put"]),
        Mode::Get { serializable: false } => ("get", &["get"]),
        Mode::Get { serializable: true } => ("serializable get", &["get"]),
        Mode::Mix { .. } => ("mix", &["put", "get"]),
        Mode::Range { .. } => ("range", &["range"]),
        Mode::Txn => ("txn", &["txn"]),
        Mode::Batch { .. } => ("batch", &["call that puts", "call that gets"]),
        Mode::Watch { .. } => ("watch", &["event", "last event of a put", "put"]),
        Mode::KeepAlive { .. } => ("keep-alive", &["renewal"]),
        Mode::Lock { .. } => ("lock", &["lock and unlock"]),
        Mode::Register { .. } => ("register", &["registration"]),
        Mode::Beat { .. } => ("beat", &["message of beats"]),
        Mode::Push { .. } => ("push", &["push", "last push of a change", "change"]),
        Mode::Fill => ("fill", &["transaction"]),
        Mode::Floor { .. } => ("floor", &[]),
    }
}

/// One workload per connection.
fn workloads(
    run: &Rc<Run>,
    options: &Options,
    (mode, shape): (&Mode, Shape),
    lease: i64,
    lots: &Rc<Lots>,
) -> Vec<Box<dyn Workload>> {
    let clients = run.plan.clients;
    let connections = run.plan.connections;
    let share = |at| options.share(clients, at);
    let seed = |at: usize| options.seed.wrapping_mul(1_000_003).wrapping_add(at as u64);
    let first_slot = |at| (0..at).map(share).sum::<usize>();
    let each =
        |make: &mut dyn FnMut(usize) -> Box<dyn Workload>| (0..connections).map(make).collect();
    fn calls<O: Operation + 'static>(
        run: &Rc<Run>,
        at: usize,
        slots: usize,
        operation: O,
    ) -> Box<dyn Workload> {
        Box::new(Calls::new(Rc::clone(run), operation, at, slots))
    }
    let mix = |reads, serializable| {
        each(&mut |at| {
            let operation = Mix::new(shape, seed(at), reads, serializable, share(at));
            calls(run, at, share(at), operation)
        })
    };
    match mode {
        Mode::Put => mix(0, false),
        Mode::Get { serializable } => mix(100, *serializable),
        Mode::Mix { reads, serializable } => mix(*reads, *serializable),
        Mode::Range { limit, serializable } => each(&mut |at| {
            let operation = Range { limit: *limit, serializable: *serializable };
            calls(run, at, share(at), operation)
        }),
        Mode::Txn => each(&mut |at| {
            calls(run, at, share(at), Txn::new(shape, seed(at), first_slot(at), share(at)))
        }),
        Mode::Batch { size, reads } => each(&mut |at| {
            let (data, kind) = ((shape, seed(at)), (*size, *reads));
            let endpoint = at % options.endpoints.len();
            calls(run, at, share(at), Batch::new(data, lots, endpoint, kind, share(at)))
        }),
        Mode::Lock { names } => {
            each(&mut |at| calls(run, at, share(at), Lock::new(seed(at), *names, lease, share(at))))
        }
        Mode::Fill => {
            let next = Rc::new(Cell::new(0));
            each(&mut |at| calls(run, at, share(at), Fill::new(shape, seed(at), Rc::clone(&next))))
        }
        Mode::KeepAlive { streams } => each(&mut |at| {
            Box::new(KeepAlive::new(Rc::clone(run), at, share(at), *streams as usize))
        }),
        Mode::Watch { watchers, watched_keys, writers, streams } => {
            let (watchers, keys) = (*watchers as usize, *watched_keys as usize);
            let board = Board::new(Rc::clone(run), watchers, keys, connections);
            let mut all: Vec<Box<dyn Workload>> = each(&mut |at| {
                let watched = (at..watchers).step_by(connections).map(|it| it % keys).collect();
                let (run, board) = (Rc::clone(run), Rc::clone(&board));
                Box::new(Watchers::new(run, board, shape, watched, *streams as usize))
            });
            let writers = *writers as usize;
            all.push(Box::new(Writers::new(Rc::clone(run), board, shape, keys, writers)));
            all
        }
        Mode::Register { fleet } => {
            let instances = Instances::new(fleet.services, fleet.ttl);
            each(&mut |at| {
                Box::new(Registrations::new(Rc::clone(run), at, share(at), Rc::clone(&instances)))
            })
        }
        Mode::Beat { instances, group, fleet } => {
            let all = Instances::new(fleet.services, fleet.ttl);
            each(&mut |at| {
                let own = options.share(*instances as usize, at);
                let (run, all) = (Rc::clone(run), Rc::clone(&all));
                Box::new(Beats::new(run, at, share(at), all, own, *group as usize))
            })
        }
        Mode::Push { subscribers, others } => {
            let (subscribers, others) = (*subscribers as usize, *others);
            let board = PushBoard::new(Rc::clone(run), subscribers, connections);
            let mut all: Vec<Box<dyn Workload>> = each(&mut |at| {
                let own = options.share(subscribers, at);
                Box::new(Subscribers::new(Rc::clone(run), Rc::clone(&board), own))
            });
            all.push(Box::new(Changes::new(Rc::clone(run), board, others)));
            all
        }
        Mode::Floor { .. } => Vec::new(),
    }
}

async fn lease_client(options: &Options) -> anyhow::Result<LeaseClient<tonic::transport::Channel>> {
    let endpoint = options.endpoints.first().map_or("", String::as_str);
    let unreachable = |error: tonic::transport::Error| {
        let words = format!("{endpoint}: {error}");
        tonic_status(&Status::new(Status::UNAVAILABLE, words))
    };
    LeaseClient::connect(format!("http://{endpoint}")).await.map_err(unreachable)
}

async fn grant(options: &Options) -> anyhow::Result<i64> {
    let request = LeaseGrantRequest { ttl: LOCK_TTL, id: 0 };
    let granted = lease_client(options).await?.lease_grant(request).await;
    Ok(granted.map_err(client::Error::from)?.into_inner().id)
}

async fn revoke(options: &Options, id: i64) -> anyhow::Result<()> {
    let revoked = lease_client(options).await?.lease_revoke(LeaseRevokeRequest { id }).await;
    revoked.map_err(client::Error::from)?;
    Ok(())
}

/// As the tools tell errors, with their exit codes.
fn tonic_status(status: &Status) -> anyhow::Error {
    let code = tonic::Code::from(status.code.cast_signed());
    let words = if status.message.is_empty() { code_name(status.code) } else { &status.message };
    client::Error::from(tonic::Status::new(code, words)).into()
}
