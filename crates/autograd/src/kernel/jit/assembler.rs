//! Encodes the few x86-64 instructions that generated loops consist of. Vectors have 256 bits; every vector instruction has
//! the three-byte VEX prefix, and every address in memory a scaled-index byte and a displacement, so that there is one
//! encoding and no special cases for `rsp`, `rbp`, `r12` and `r13`.

/// A vector register, `ymm0` to `ymm15`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector(pub(super) u8);

/// A general register, by its number in encodings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct General(pub(super) u8);

impl General {
    pub(super) const RAX: General = General(0);
    pub(super) const RDX: General = General(2);
    pub(super) const RSP: General = General(4);
    pub(super) const RSI: General = General(6);
    pub(super) const RDI: General = General(7);
}

/// An address in memory: the sum of these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    pub(super) base: General,
    /// Any register but `rsp`.
    pub(super) index: Option<General>,
    pub(super) offset: i32,
}

/// The second operand of a vector instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    Vector(Vector),
    Memory(Memory),
}

/// Vector instructions with one or two sources, by their opcodes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(super) enum Instruction {
    Sqrt = 0x51,
    And = 0x54,
    Xor = 0x57,
    Add = 0x58,
    Mul = 0x59,
    Sub = 0x5c,
    Div = 0x5e,
}

const LOAD: u8 = 0x10;
const STORE: u8 = 0x11;
/// The bit that marks general instructions of 64 bits.
const WIDE: u8 = 0x48;

/// Code, and the width in bytes of the numbers that its vectors hold.
pub(super) struct Assembler {
    pub(super) code: Vec<u8>,
    width: usize,
}

impl Assembler {
    pub(super) fn new(width: usize) -> Assembler {
        assert!(width == 4 || width == 8, "vectors hold numbers of 4 or 8 bytes");
        Assembler { code: Vec::new(), width }
    }

    /// `to = a ∘ b`
    pub(super) fn binary(&mut self, op: Instruction, to: Vector, a: Vector, b: Source) {
        self.vector(op as u8, to, a.0, b);
    }

    /// `to = ∘ x`
    pub(super) fn unary(&mut self, op: Instruction, to: Vector, x: Source) {
        self.vector(op as u8, to, 0, x);
    }

    pub(super) fn load(&mut self, to: Vector, from: Memory) {
        self.vector(LOAD, to, 0, Source::Memory(from));
    }

    pub(super) fn store(&mut self, from: Vector, to: Memory) {
        self.vector(STORE, from, 0, Source::Memory(to));
    }

    fn vector(&mut self, opcode: u8, to: Vector, a: u8, b: Source) {
        let (index, base) = match b {
            Source::Vector(b) => (0, b.0),
            Source::Memory(m) => (m.index.map_or(0, |index| index.0), m.base.0),
        };
        // The upper bits of the registers' numbers, and the whole number of `a`, are stored inverted.
        let upper = |number: u8, bit: u8| u8::from(number < 8) << bit;
        let double = u8::from(self.width == 8);
        self.code.extend([0xc4, upper(to.0, 7) | upper(index, 6) | upper(base, 5) | 1, (!a & 15) << 3 | 4 | double]);
        self.code.push(opcode);
        match b {
            Source::Vector(b) => self.code.push(0xc0 | (to.0 & 7) << 3 | b.0 & 7),
            Source::Memory(m) => self.memory(to.0, m),
        }
    }

    /// What follows the opcode of an instruction with an address.
    fn memory(&mut self, register: u8, Memory { base, index, offset }: Memory) {
        /// In place of an index: none.
        const NONE: u8 = 4;
        let index = index.map_or(NONE, |index| index.0 & 7);
        let short = i8::try_from(offset);
        let mode = if short.is_ok() { 0x40 } else { 0x80 };
        self.code.extend([mode | (register & 7) << 3 | 4, index << 3 | base.0 & 7]);
        match short {
            Ok(short) => self.code.push(short as u8),
            Err(_) => self.code.extend(offset.to_le_bytes()),
        }
    }

    /// Loads 64 bits.
    pub(super) fn load_general(&mut self, to: General, from: Memory) {
        let index = from.index.map_or(0, |index| index.0);
        self.code.extend([WIDE | (to.0 >> 3) << 2 | (index >> 3) << 1 | from.base.0 >> 3, 0x8b]);
        self.memory(to.0, from);
    }

    pub(super) fn add_number(&mut self, to: General, number: i32) {
        self.code.extend([WIDE | to.0 >> 3, 0x81, 0xc0 | to.0 & 7]);
        self.code.extend(number.to_le_bytes());
    }

    /// Jumps back to a position in the code if `a < b`.
    pub(super) fn jump_if_below(&mut self, a: General, b: General, target: usize) {
        self.code.extend([WIDE | (b.0 >> 3) << 2 | a.0 >> 3, 0x39, 0xc0 | (b.0 & 7) << 3 | a.0 & 7, 0x0f, 0x82]);
        let distance = target as i64 - (self.code.len() + 4) as i64;
        self.code.extend((distance as i32).to_le_bytes());
    }

    pub(super) fn push(&mut self, register: General) {
        self.code.extend([0x40 | register.0 >> 3, 0x50 | register.0 & 7]);
    }

    pub(super) fn pop(&mut self, register: General) {
        self.code.extend([0x40 | register.0 >> 3, 0x58 | register.0 & 7]);
    }

    /// Clears the upper halves of the vectors, which would slow down older instructions, and returns.
    pub(super) fn leave(&mut self) {
        self.code.extend([0xc5, 0xf8, 0x77, 0xc3]);
    }

    /// Fills up with instructions that do nothing, so that a loop begins at the start of a line of the cache.
    pub(super) fn align(&mut self) {
        self.code.resize(self.code.len().next_multiple_of(32), 0x90);
    }
}
