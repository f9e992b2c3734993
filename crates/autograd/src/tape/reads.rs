//! Which values plain Rust code reads, and where. A program would freeze the consequences of such a read, and no
//! derivative passes through it.

use super::{Tape, Var};
use crate::float::{Float, once};
use std::panic::Location;

/// The values that Rust code read, and where.
#[derive(Default)]
pub(super) struct Reads {
    noted: Vec<(u32, &'static Location<'static>)>,
    /// Whether to note every read, as while a closure is recorded for replay, and not only the first ones.
    all: bool,
}

/// The maximum number of reads that are noted for [`Tape::disconnected`].
const FIRST: usize = 1 << 10;

impl Reads {
    /// Forgets all reads, and stops noting every one.
    pub(super) fn clear(&mut self) {
        self.noted.clear();
        self.all = false;
    }

    /// Forgets the reads of removed nodes; `len` nodes are left. A watch keeps them, since a program freezes the
    /// consequences of a read even if the node is removed.
    pub(super) fn rewind(&mut self, len: usize) {
        if !self.all {
            self.noted.retain(|(id, _)| (*id as usize) < len);
        }
    }
}

impl<T: Float> Tape<T> {
    /// Notes that the value of a node is read.
    #[inline]
    #[track_caller]
    pub(crate) fn note_read(&self, id: u32, line: &'static Location<'static>) {
        let readable = note(self, id, line);
        assert!(readable, "Var #{id} ({}) has no value: a sketch computes nothing", self.list().op(id).name());
    }

    /// The reads that were noted: of which node, and where.
    pub(crate) fn reads(&self) -> Vec<(u32, &'static Location<'static>)> {
        self.reads.borrow().noted.clone()
    }
}

once! {
    fn note<T>(tape: &Tape<T>, id: u32, line: &'static Location<'static>) -> bool {
        let readable = tape.list().is_known(id);
        let mut reads = tape.reads.borrow_mut();
        if readable && (reads.all || reads.noted.len() < FIRST) {
            reads.noted.push((id, line));
        }
        readable
    }
}

/// From here on, until the tape is cleared, keeps track of which values are read.
pub fn watch<T: Float>(tape: &Tape<T>) {
    *tape.reads.borrow_mut() = Reads { noted: Vec::new(), all: true };
}

/// The first read since the watch began of a value that depends on the nodes with the given ids, and its line.
pub(crate) fn read_of<T: Float>(tape: &Tape<T>, given: &[usize]) -> Option<(u32, &'static Location<'static>)> {
    let (list, reads) = (tape.list(), tape.reads.borrow());
    if reads.noted.is_empty() {
        return None;
    }
    let mut depends = vec![false; list.nodes.len()];
    given.iter().for_each(|&id| depends[id] = true);
    for id in 0..list.nodes.len() {
        depends[id] |= list.inputs(id as u32).iter().any(|&i| depends[i as usize]);
    }
    reads.noted.iter().find(|(id, _)| depends.get(*id as usize) == Some(&true)).copied()
}

/// The text of an error for the first such read.
pub fn first_read<T: Float>(tape: &Tape<T>, given: &[usize]) -> Option<String> {
    let (id, line) = read_of(tape, given)?;
    let (op, file, line) = (Var { tape, id }.op().name(), line.file(), line.line());
    Some(format!(
        "the value or a derivative of a variable that depends on the inputs (op `{op}`) was read at {file}:{line}: \
         whatever it decides would be frozen; use an op such as `select` or `maximum` instead"
    ))
}
