//! The tape of a thread: for each operation of its open scope, where the operands are and the slopes of the result.
//!
//! Every operation of the process has a unique number, so a number from another scope or thread is always detected. The
//! numbers of one scope are consecutive.

use crate::error::{Error, Result, raise};
use crate::number::Scalar;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a constant, which is on no tape.
pub(crate) const CONSTANT: u64 = 0;

/// Each thread takes this many numbers at a time.
const BLOCK: u64 = 1 << 34;
/// A scope has at most as many: places on the tape are `u32`.
const SCOPE: u64 = 1 << 32;

/// The first block that no thread has taken.
static FREE: AtomicU64 = AtomicU64::new(BLOCK);

/// dy = Σ slope · d(operand). A missing operand is place 0, which nothing reads.
#[derive(Clone, Copy, Debug)]
struct Step<T> {
    from: [u32; 2],
    slope: [T; 2],
}

/// What one thread records at one number type.
#[derive(Debug)]
pub struct Tape<T> {
    steps: Vec<Step<T>>,
    /// The cotangents of a sweep.
    bars: Vec<T>,
    /// The number of the step at place 0.
    base: u64,
    /// The end of the block of numbers that `base` is in.
    limit: u64,
    /// Where the scope was opened.
    opened: Option<&'static Location<'static>>,
}

impl<T> Tape<T> {
    pub(crate) const fn new() -> Self {
        Tape { steps: Vec::new(), bars: Vec::new(), base: 0, limit: 0, opened: None }
    }
}

/// A number type that each thread has a tape for: `f32` or `f64`.
///
/// ```
/// use scalar::{Rec, Recorded, record};
/// fn slope<T: Recorded>(f: fn(Rec<T>) -> Rec<T>, x: T) -> T {
///     record(|x| f(x[0]), &[x]).1[0]
/// }
/// assert_eq!((slope(|x| x * x, 3f32), slope(|x| x * x, 3f64)), (6.0, 6.0));
/// ```
pub trait Recorded: Scalar {
    /// Calls `f` with the tape of this thread.
    #[doc(hidden)]
    fn with<R>(f: impl FnOnce(&RefCell<Tape<Self>>) -> R) -> R;

    /// Records an operation with these operands and slopes, and returns its number. A separate function, so that all four
    /// arguments are passed in registers: captures of a closure go through memory.
    #[doc(hidden)]
    #[track_caller]
    fn push(a: u64, b: u64, da: Self, db: Self) -> u64;
}

macro_rules! tapes {
    ($($t:ident)*) => { $(
        const _: () = {
            thread_local! {
                static TAPE: RefCell<Tape<$t>> = const { RefCell::new(Tape::new()) };
            }

            impl Recorded for $t {
                #[inline(always)]
                fn with<R>(f: impl FnOnce(&RefCell<Tape<$t>>) -> R) -> R {
                    TAPE.with(f)
                }

                #[track_caller]
                #[inline(never)]
                fn push(a: u64, b: u64, da: $t, db: $t) -> u64 {
                    TAPE.with(|tape| tape.borrow_mut().push([a, b], [da, db]))
                }
            }
        };
    )* };
}
tapes!(f32 f64);

impl<T: Scalar> Tape<T> {
    pub(crate) fn open(&mut self, at: &'static Location<'static>) -> Result<()> {
        if let Some(opened) = self.opened {
            return Err(Error::Nested { opened });
        }
        if self.limit - self.base < SCOPE {
            self.base = FREE.fetch_add(BLOCK, Ordering::Relaxed);
            self.limit = self.base + BLOCK;
        }
        self.opened = Some(at);
        self.steps.push(Step { from: [0; 2], slope: [T::zero(); 2] });
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.base += self.steps.len() as u64;
        self.steps.clear();
        self.opened = None;
    }

    /// The number of operations and variables.
    pub(crate) fn len(&self) -> usize {
        self.steps.len().saturating_sub(1)
    }

    /// The place of a number on this tape; place 0 for a constant.
    #[track_caller]
    #[inline(always)]
    fn place(&self, id: u64) -> u32 {
        let place = id.wrapping_sub(self.base);
        match id {
            CONSTANT => 0,
            _ if place < self.steps.len() as u64 => place as u32,
            _ => raise(Error::Stale),
        }
    }

    /// Records an operation and returns its number.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn push(&mut self, from: [u64; 2], slope: [T; 2]) -> u64 {
        let from = [self.place(from[0]), self.place(from[1])];
        let place = self.steps.len() as u64;
        if place == SCOPE {
            raise(Error::Full);
        }
        self.steps.push(Step { from, slope });
        self.base + place
    }

    /// The derivatives of y with respect to each x, by a reverse sweep.
    #[track_caller]
    pub(crate) fn sweep(&mut self, y: u64, x: impl Iterator<Item = u64>) -> Vec<T> {
        let y = self.place(y) as usize;
        let (steps, bars) = (&self.steps, &mut self.bars);
        bars.clear();
        bars.resize(y + 1, T::zero());
        bars[y] = T::one();
        for place in (1..=y).rev() {
            let g = bars[place];
            // Operands that the result does not depend on contribute nothing, even where a slope is infinite.
            if g.is_zero() {
                continue;
            }
            let Step { from: [a, b], slope: [da, db] } = steps[place];
            bars[a as usize] += g * da;
            bars[b as usize] += g * db;
        }
        // Constants have no derivative, and neither do values recorded after y.
        bars[0] = T::zero();
        x.map(|x| self.bars.get(self.place(x) as usize).copied().unwrap_or(T::zero())).collect()
    }
}
