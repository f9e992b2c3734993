//! Compiles steps to a loop, and assigns vector registers to values in one pass over the steps. If registers run out, the value
//! whose next use is farthest leaves its register: what is in an array is read again, and a value of a step waits on the
//! stack.

use super::assembler::{Assembler, General, Instruction, Memory, Source, Vector};
use super::{From, Op, Step, Steps, VECTOR};

/// The arguments of the loop, and a register that addresses pass through.
const TABLE: General = General::RDI;
const AT: General = General::RSI;
const END: General = General::RDX;
const PASSING: General = General::RAX;
/// Registers for the addresses of arrays. The last ones are saved for the caller.
const BASES: [u8; 11] = [1, 8, 9, 10, 11, 3, 5, 12, 13, 14, 15];
const UNSAVED: usize = 5;
/// Number of vector registers, and how many of them values have at least.
const VECTORS: usize = 16;
const VALUES: usize = 4;
/// How many values may wait on the stack: they take less than a page, so that none is skipped.
const WAITING: usize = 64;
/// In place of the next step that reads a value: there is none.
const NEVER: usize = usize::MAX;

/// Numbers that steps need, repeated in a vector: one, and the sign bit and all others.
const CONSTANTS: usize = 3;
const ONE: usize = 0;
const SIGN: usize = 1;
const REST: usize = 2;

/// The constants as numbers of `width` bytes.
pub(super) fn constants(width: usize) -> [[u8; VECTOR]; CONSTANTS] {
    match width {
        4 => [1_f32.to_bits(), 1 << 31, !(1 << 31)].map(|bits| repeated(&bits.to_le_bytes())),
        _ => [1_f64.to_bits(), 1 << 63, !(1 << 63)].map(|bits| repeated(&bits.to_le_bytes())),
    }
}

fn repeated(number: &[u8]) -> [u8; VECTOR] {
    std::array::from_fn(|i| number[i % number.len()])
}

/// The code of a loop over numbers of `width` bytes. None if too many values would wait on the stack.
pub(super) fn compile(steps: &Steps, width: usize) -> Option<Vec<u8>> {
    let lowered = Lowered::new(steps);
    // Numbers keep their registers if values do not need them.
    let mut pinned = VECTORS - VALUES;
    loop {
        let mut compiler = Compiler::new(&lowered, pinned, width);
        let done = compiler.run();
        if pinned == 0 || done && compiler.waiting.is_empty() {
            return done.then(|| compiler.finish());
        }
        pinned /= 2;
    }
}

/// Steps as instructions on values, which are numbered: the entries of the table (arrays that are read, what results held before,
/// repeated numbers, constants), then the values of the steps.
struct Lowered {
    instructions: Vec<Lower>,
    /// Number of entries that are arrays, and of all.
    arrays: usize,
    entries: usize,
    reads: usize,
    /// The first instruction that reads each value.
    first: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Lower {
    /// A copy has none.
    instruction: Option<Instruction>,
    /// One or two values; a single one is the second.
    from: [Option<usize>; 2],
    to: Option<usize>,
    /// The next instruction that reads each value.
    next: [usize; 2],
}

impl Lowered {
    fn new(steps: &Steps) -> Lowered {
        let arrays = steps.reads + steps.results;
        let numbers = arrays + steps.repeated;
        let entries = numbers + CONSTANTS;
        let value = |from: From| match from {
            From::Read(k) => k,
            From::Old(k) => steps.reads + k,
            From::Repeated(k) => arrays + k,
            From::Step(k) => entries + k,
        };
        let lower = |&Step { op, from: [a, b], to }: &Step| {
            let (instruction, from) = match op {
                Op::Add => (Some(Instruction::Add), [Some(value(a)), Some(value(b))]),
                Op::Sub => (Some(Instruction::Sub), [Some(value(a)), Some(value(b))]),
                Op::Mul => (Some(Instruction::Mul), [Some(value(a)), Some(value(b))]),
                Op::Div => (Some(Instruction::Div), [Some(value(a)), Some(value(b))]),
                Op::Recip => (Some(Instruction::Div), [Some(numbers + ONE), Some(value(a))]),
                Op::Neg => (Some(Instruction::Xor), [Some(value(a)), Some(numbers + SIGN)]),
                Op::Abs => (Some(Instruction::And), [Some(value(a)), Some(numbers + REST)]),
                Op::Sqrt => (Some(Instruction::Sqrt), [None, Some(value(a))]),
                Op::Copy => (None, [None, Some(value(a))]),
            };
            Lower { instruction, from, to, next: [NEVER; 2] }
        };
        let mut instructions: Vec<Lower> = steps.steps.iter().map(lower).collect();
        let mut first = vec![NEVER; entries + instructions.len()];
        for (k, i) in instructions.iter_mut().enumerate().rev() {
            for (next, from) in i.next.iter_mut().zip(i.from) {
                *next = from.map_or(NEVER, |from| first[from]);
            }
            i.from.iter().flatten().for_each(|&from| first[from] = k);
        }
        Lowered { instructions, arrays, entries, reads: steps.reads, first }
    }
}

struct Compiler<'a> {
    lowered: &'a Lowered,
    /// The code of the loop.
    body: Assembler,
    width: usize,
    /// The registers of entries' addresses.
    bases: Vec<Option<General>>,
    /// The vector registers of values, and the values of registers that are not pinned.
    vectors: Vec<Option<Vector>>,
    held: Vec<Option<usize>>,
    /// The next instruction that reads each value.
    next: Vec<usize>,
    /// The results that values of instructions have been stored to.
    stored: Vec<Option<usize>>,
    /// Values on the stack, by their places.
    waiting: Vec<Option<usize>>,
}

impl<'a> Compiler<'a> {
    /// Up to `pinned` numbers have a register throughout.
    fn new(lowered: &'a Lowered, pinned: usize, width: usize) -> Compiler<'a> {
        let Lowered { arrays, entries, ref first, .. } = *lowered;
        let is_used = |&entry: &usize| first[entry] != NEVER;
        let mut vectors = vec![None; first.len()];
        let mut held = vec![None; VECTORS];
        for entry in (arrays..entries).filter(is_used).take(pinned) {
            held.pop();
            vectors[entry] = Some(Vector(held.len() as u8));
        }
        let mut bases = vec![None; entries];
        let numbers = (arrays..entries).filter(is_used).filter(|&entry| vectors[entry].is_none());
        for (entry, base) in (0..arrays).chain(numbers).zip(BASES) {
            bases[entry] = Some(General(base));
        }
        Compiler {
            lowered,
            body: Assembler::new(width),
            width,
            bases,
            vectors,
            held,
            next: first.clone(),
            stored: vec![None; first.len()],
            waiting: Vec::new(),
        }
    }

    /// Returns false if too many values would wait on the stack.
    fn run(&mut self) -> bool {
        for (k, &i) in self.lowered.instructions.iter().enumerate() {
            self.instruction(self.lowered.entries + k, i);
            if self.waiting.len() > WAITING {
                return false;
            }
        }
        self.body.add_number(AT, VECTOR as i32);
        self.body.jump_if_below(AT, END, 0);
        true
    }

    /// The instruction that computes a value.
    fn instruction(&mut self, value: usize, Lower { instruction, from: [a, b], to, next }: Lower) {
        let b = b.expect("every instruction reads something");
        let first = a.map(|a| self.vector(a, b));
        let is_read_again = next[1] != NEVER;
        let second = match (self.vectors[b], self.free()) {
            (Some(vector), _) => Source::Vector(vector),
            // An operand in memory takes no register.
            (None, Some(_)) if is_read_again => Source::Vector(self.vector(b, b)),
            (None, _) if instruction.is_some() => Source::Memory(self.memory(b)),
            (None, _) => Source::Vector(self.vector(b, b)),
        };
        for (from, next) in [a, Some(b)].into_iter().zip(next) {
            from.into_iter().for_each(|from| self.read(from, next));
        }
        let vector = match (instruction, first, second) {
            (Some(op), Some(first), second) => {
                let to = self.take(value, value);
                self.body.binary(op, to, first, second);
                to
            }
            (Some(op), None, second) => {
                let to = self.take(value, value);
                self.body.unary(op, to, second);
                to
            }
            (None, _, Source::Vector(x)) => x,
            (None, _, Source::Memory(_)) => unreachable!("what is copied was loaded"),
        };
        if let Some(to) = to {
            let memory = self.entry(self.lowered.reads + to);
            self.body.store(vector, memory);
            self.stored[value] = Some(to);
        }
        self.read(value, self.next[value]);
    }

    /// After a value was read, or made: if no other instruction reads it, it leaves its place to others.
    fn read(&mut self, value: usize, next: usize) {
        self.next[value] = next;
        if next == NEVER {
            let places = self.held.iter_mut().chain(&mut self.waiting);
            places.filter(|place| **place == Some(value)).for_each(|place| *place = None);
        }
    }

    /// A value in a register; that of `other` remains where it is.
    fn vector(&mut self, value: usize, other: usize) -> Vector {
        if let Some(vector) = self.vectors[value] {
            return vector;
        }
        let vector = self.take(value, other);
        let memory = self.memory(value);
        self.body.load(vector, memory);
        vector
    }

    fn free(&self) -> Option<usize> {
        self.held.iter().position(|held| held.is_none())
    }

    /// A register for a value, not that of `other`.
    fn take(&mut self, value: usize, other: usize) -> Vector {
        let k = self.free().unwrap_or_else(|| {
            let next = |k: &usize| self.held[*k].filter(|&held| held != other).map(|held| self.next[held]);
            (0..self.held.len()).max_by_key(next).expect("some registers are not pinned")
        });
        let vector = Vector(k as u8);
        if let Some(left) = self.held[k].replace(value) {
            self.vectors[left] = None;
            if left >= self.lowered.entries && self.stored[left].is_none() && !self.waiting.contains(&Some(left)) {
                let place = self.waiting.iter().position(|place| place.is_none()).unwrap_or(self.waiting.len());
                self.waiting.resize(self.waiting.len().max(place + 1), None);
                self.waiting[place] = Some(left);
                self.body.store(vector, in_stack(place));
            }
        }
        self.vectors[value] = Some(vector);
        vector
    }

    /// Where a value is that is in no register.
    fn memory(&mut self, value: usize) -> Memory {
        if value < self.lowered.entries {
            return self.entry(value);
        }
        if let Some(to) = self.stored[value] {
            return self.entry(self.lowered.reads + to);
        }
        in_stack(self.waiting.iter().position(|&waiting| waiting == Some(value)).expect("a value is somewhere"))
    }

    /// The numbers of an entry of the table.
    fn entry(&mut self, entry: usize) -> Memory {
        let base = self.bases[entry].unwrap_or_else(|| {
            self.body.load_general(PASSING, in_table(entry));
            PASSING
        });
        Memory { base, index: (entry < self.lowered.arrays).then_some(AT), offset: 0 }
    }

    /// The loop with what comes before and after it.
    fn finish(self) -> Vec<u8> {
        let mut asm = Assembler::new(self.width);
        let saved = &BASES[UNSAVED..];
        let stack = (self.waiting.len() * VECTOR) as i32;
        saved.iter().for_each(|&register| asm.push(General(register)));
        asm.add_number(General::RSP, -stack);
        for (entry, &base) in self.bases.iter().enumerate() {
            if let Some(base) = base {
                asm.load_general(base, in_table(entry));
            }
        }
        for entry in self.lowered.arrays..self.lowered.entries {
            if let (Some(vector), None) = (self.vectors[entry], self.bases[entry]) {
                asm.load_general(PASSING, in_table(entry));
                asm.load(vector, Memory { base: PASSING, index: None, offset: 0 });
            }
        }
        asm.align();
        asm.code.extend(self.body.code);
        asm.add_number(General::RSP, stack);
        saved.iter().rev().for_each(|&register| asm.pop(General(register)));
        asm.leave();
        asm.code
    }
}

/// The address of an entry.
fn in_table(entry: usize) -> Memory {
    Memory { base: TABLE, index: None, offset: (entry * size_of::<usize>()) as i32 }
}

/// A place on the stack.
fn in_stack(place: usize) -> Memory {
    Memory { base: General::RSP, index: None, offset: (place * VECTOR) as i32 }
}
