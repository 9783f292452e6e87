//! `hiraeth kv txn`.

mod syntax;

use std::io::Write;

use client::{Client, Txn, TxnOutcome, TxnResult};

use super::failure::{Done, Usage};
use super::json;
use super::kv::{row, table};
use super::output::{Format, Out, line};

/// Carry out a transaction: if all --if hold, each --then, else each --else
///
/// All happens at one revision. Each option may be given several times. The exit code is 4 if a
/// comparison does not hold.
///
/// A comparison is WHAT(KEY) RELATION OPERAND. WHAT is key or value (the value), mod, create
/// (revisions; 0 while there is no key), version (puts since it was made) or lease; RELATION is =, !=,
/// < or >.
///
/// An operation is one of
///   put KEY VALUE [lease=ID]
///   get KEY
///   scan PREFIX
///   delete KEY
///   delete-prefix PREFIX
///
/// Keys and values with blanks, parentheses or other than printable bytes go in double quotes, in
/// which \n, \t, \", \\, \xNN and \u{..} are understood.
///
/// Example, taking a lock that nobody has:
///   hiraeth kv txn --if 'create(lock) = 0' --then 'put lock "node 1"' --else 'get lock'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// A comparison, such as 'mod(a) > 3'.
    #[arg(long = "if", value_name = "COMPARISON", value_parser = syntax::comparison)]
    when: Vec<client::Compare>,
    /// What to do if all comparisons hold, such as 'put a 1'.
    #[arg(long, value_name = "OPERATION", value_parser = syntax::operation)]
    then: Vec<client::Operation>,
    /// What to do if one does not hold.
    #[arg(long = "else", value_name = "OPERATION", value_parser = syntax::operation)]
    otherwise: Vec<client::Operation>,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let Arguments { when, then, otherwise } = arguments;
    if when.is_empty() && then.is_empty() && otherwise.is_empty() {
        let words = "an empty transaction; say --if, --then or --else (--help shows how)";
        return Err(Usage(words.to_owned()).into());
    }
    let outcome = client.txn(Txn::new().when(when).then(then).otherwise(otherwise)).await?;
    match format {
        Format::Json => line(out, &json::Transacted::new(&outcome))?,
        Format::Table => show(out, &outcome)?,
    }
    Ok(if outcome.succeeded { Done::Well } else { Done::Conflict })
}

fn show(out: &mut Out, outcome: &TxnOutcome) -> anyhow::Result<()> {
    let word = if outcome.succeeded { "succeeded" } else { "a comparison does not hold" };
    writeln!(out, "{word}, revision {}", outcome.revision)?;
    for result in &outcome.results {
        match result {
            TxnResult::Get(records) => {
                writeln!(out, "get: {} found", records.kvs.len())?;
                let mut table = table();
                records.kvs.iter().for_each(|kv| table.row(row(kv)));
                if !records.kvs.is_empty() {
                    table.print(out)?;
                }
            }
            TxnResult::Put(_) => writeln!(out, "put")?,
            TxnResult::Delete(deleted) => writeln!(out, "deleted {}", deleted.deleted)?,
            TxnResult::Txn(inner) => show(out, inner)?,
        }
    }
    Ok(())
}
