//! Loops made at run time: a sequence of elementwise steps becomes machine code that runs all of them on one vector after
//! another, with intermediate values in registers. The bits are those of the steps one by one: each is the same
//! instruction, and none becomes a fused multiply-add.

mod assembler;
mod compile;
#[cfg(test)]
mod tests;

use memmap2::{Mmap, MmapMut};
use smallvec::SmallVec;
use std::fmt;

/// What a step does with its sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    /// These use only the first source.
    Neg,
    Abs,
    Sqrt,
    Recip,
    /// Only stores it: no step reads the copy.
    Copy,
}

/// Where a step reads a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum From {
    /// In an array, element by element.
    Read(usize),
    /// In an array of one number, repeated.
    Repeated(usize),
    /// In a result, what it held before. No step reads this after one has stored the result.
    Old(usize),
    /// The value of an earlier step.
    Step(usize),
}

/// A step, and the result it is stored to.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub op: Op,
    pub from: [From; 2],
    pub to: Option<usize>,
}

/// A sequence of steps, and how many arrays it reads, repeats and writes.
#[derive(Debug, Default)]
pub struct Steps {
    pub steps: Vec<Step>,
    pub reads: usize,
    pub repeated: usize,
    pub results: usize,
}

/// Bytes in a vector.
const VECTOR: usize = 32;

/// Runs on the bytes from the second to the third argument of the arrays in a table: those read, the results, repeated numbers
/// and constants.
type Function = unsafe extern "sysv64" fn(*const *const u8, usize, usize);

/// A compiled loop.
pub struct Loop {
    code: Mmap,
    /// Constants of the code, as vectors.
    constants: [[u8; VECTOR]; 3],
    /// Number of arrays.
    arrays: usize,
    /// Size of a number in bytes.
    width: usize,
    /// Whether it reads what results held before.
    overwrites: bool,
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Loop({} bytes)", self.code.len())
    }
}

impl Loop {
    /// Compiles steps on numbers of `width` bytes. None if this CPU lacks AVX, if too many values live at the same time, or if
    /// the system grants no memory that may be executed.
    ///
    /// # Panics
    ///
    /// If a step reads or writes what there is not.
    pub fn new(steps: &Steps, width: usize) -> Option<Loop> {
        steps.check();
        if !is_x86_feature_detected!("avx") {
            return None;
        }
        Some(Loop {
            code: executable(&compile::compile(steps, width)?)?,
            constants: compile::constants(width),
            arrays: steps.reads + steps.results + steps.repeated,
            width,
            overwrites: steps.steps.iter().any(|step| step.reads().iter().any(|from| matches!(from, From::Old(_)))),
        })
    }

    /// Runs on the first `len` elements of arrays. Returns false without doing anything if these are fewer than a vector, or if
    /// a rest cannot be computed together with elements before it because these are overwritten.
    pub fn run<'a, T: 'a>(
        &self,
        len: usize,
        reads: impl Iterator<Item = &'a [T]>,
        results: impl Iterator<Item = &'a mut [T]>,
        repeated: impl Iterator<Item = &'a [T]>,
    ) -> bool {
        let (step, size) = (VECTOR / self.width, len * self.width);
        if size < VECTOR || self.overwrites && !len.is_multiple_of(step) {
            return false;
        }
        let mut table: SmallVec<[*const u8; 32]> = SmallVec::new();
        reads.for_each(|x| table.push(x[..len].as_ptr().cast()));
        results.for_each(|x| table.push(x[..len].as_mut_ptr().cast()));
        repeated.for_each(|x| table.push(x[..step].as_ptr().cast()));
        assert_eq!((table.len(), size_of::<T>()), (self.arrays, self.width), "arrays are those of the steps");
        self.constants.iter().for_each(|x| table.push(x.as_ptr()));
        // SAFETY: memory made executable for this type of function, which lives as long as `self`.
        let run: Function = unsafe { std::mem::transmute(self.code.as_ptr()) };
        let whole = size / VECTOR * VECTOR;
        // SAFETY: the code accesses arrays of the table from the second to the third argument, in vectors, and repeated numbers
        // in one vector. Both were just found to be so long. It writes only results, which are borrowed for this, so that
        // they overlap with no other array. It keeps no pointer, and the registers that its caller needs.
        unsafe { run(table.as_ptr(), 0, whole) };
        if whole < size {
            // SAFETY: likewise. The last vector overlaps with the one before; the same numbers are written again.
            unsafe { run(table.as_ptr(), size - VECTOR, size) };
        }
        true
    }
}

/// Code in memory that may be executed, and no longer written.
fn executable(code: &[u8]) -> Option<Mmap> {
    let mut memory = MmapMut::map_anon(code.len()).ok()?;
    memory.copy_from_slice(code);
    memory.make_exec().ok()
}

impl Steps {
    /// Checks what the code relies on.
    fn check(&self) {
        for (k, step) in self.steps.iter().enumerate() {
            let is_there = |from: &From| match *from {
                From::Read(i) => i < self.reads,
                From::Repeated(i) => i < self.repeated,
                From::Old(i) => i < self.results,
                From::Step(i) => i < k && self.steps[i].op != Op::Copy,
            };
            assert!(
                step.reads().iter().all(is_there) && step.to.is_none_or(|to| to < self.results),
                "step {k}: {step:?}"
            );
        }
    }
}

impl Step {
    /// The sources that it uses.
    fn reads(&self) -> &[From] {
        match self.op {
            Op::Add | Op::Sub | Op::Mul | Op::Div => &self.from,
            Op::Neg | Op::Abs | Op::Sqrt | Op::Recip | Op::Copy => &self.from[..1],
        }
    }
}
