//! `hiraeth lock` and `hiraeth elect`: a command that runs while something is held.

mod child;
mod elect;
mod lock;
mod signals;
mod while_held;

pub(super) use elect::{Arguments as ElectArguments, run as elect};
pub(super) use lock::{Arguments as LockArguments, run as lock};

const EXIT_CODES: &str = "\
Exit codes:
  the command's, or 128 and the number of the signal that ended it; and
  2    the command line is wrong
  3    there is no such keyspace
  4    it was refused: the command was not begun, as with 2, 3, 5 and 7
  5    it was not had: no server answers, --wait passed, or the place in the line was lost
  6    it was lost, and the command was ended for that: what it did until then is done
  7    a limit was reached
  126  the command cannot be run
  127  there is no such command
  128 and the number of the signal that ended the waiting";
