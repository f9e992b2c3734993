//! A cluster as machine code: if all its instructions are arithmetic, one loop computes them with intermediate values in
//! vector registers. It is made when the cluster runs for the first time; without it, `block` interprets the instructions.

use super::block::Frame;
use super::run::FAR;
use super::{Address, BlockInstruction, BlockOp, Chain, First, Fused, Then};
use crate::float::Float;
use crate::kernel::jit::{From, Loop, Op, Step, Steps};
use crate::op::{Binary, Unary};

/// A cluster of fewer instructions gains nothing.
const LEAST: usize = 2;
/// One of fewer elements gains less than it takes to compile.
const SHORT: usize = 64;
/// The most arrays, if they are far: large ones begin at the same place of a page, where the L1 cache has eight lines.
/// More of them drive each other out, while instructions one by one read two or three.
const MOST: usize = 8;

/// The loop of a cluster, and where it reads arrays and repeated numbers.
#[derive(Debug)]
pub(super) struct Compiled {
    code: Loop,
    reads: Vec<Address>,
    repeated: Vec<Address>,
}

/// The machine code of a cluster, compiled on first use.
pub(super) fn of<T: Float>(fused: &Fused) -> Option<&Compiled> {
    fused.compiled.get_or_init(|| Compiled::new(fused, size_of::<T>())).as_ref()
}

impl Compiled {
    fn new(fused: &Fused, width: usize) -> Option<Compiled> {
        let Fused { shape, instructions, whole, passing, .. } = fused;
        let len: usize = shape.iter().product();
        if instructions.len() < LEAST || len < SHORT {
            return None;
        }
        let mut lowering = Lowering::default();
        instructions.iter().try_for_each(|i| lowering.instruction(i))?;
        let Lowering { steps, reads, repeated, .. } = lowering;
        let results = whole + passing;
        if len * width > FAR && reads.len() + results > MOST {
            return None;
        }
        let steps = Steps { steps, reads: reads.len(), repeated: repeated.len(), results };
        Some(Compiled { code: Loop::new(&steps, width)?, reads, repeated })
    }

    /// Runs the instructions on a block. Returns false without doing anything if one of this length must be interpreted.
    pub(super) fn run<T: Float>(&self, frame: &mut Frame<T>) -> bool {
        // Taken out so that everything else can be borrowed for reading.
        let out = std::mem::take(&mut frame.out);
        let (first, len) = (frame.first, frame.len);
        let done = self.code.run(
            len,
            self.reads.iter().map(|&address| frame.read(address)),
            out.iter_mut().map(|out| &mut out[first..first + len]),
            self.repeated.iter().map(|&address| frame.read(address)),
        );
        frame.out = out;
        done
    }
}

/// Instructions on the way to steps.
#[derive(Default)]
struct Lowering {
    steps: Vec<Step>,
    reads: Vec<Address>,
    repeated: Vec<Address>,
    /// What is at each address.
    known: Vec<(Address, From)>,
}

impl Lowering {
    /// None if there is no step for it.
    fn instruction(&mut self, i: &BlockInstruction) -> Option<()> {
        let mut from = [From::Read(0); 3];
        for (from, &address) in from.iter_mut().zip(&i.from[..i.op.arity()]) {
            *from = self.source(address);
        }
        let [a, b, _] = from;
        let value = match i.op {
            BlockOp::Chain(chain) => self.chain(chain, from),
            BlockOp::Binary(f) => self.step(binary(f)?, [a, b]),
            BlockOp::Unary(Unary::Rsqrt) => {
                let root = self.step(Op::Sqrt, [a; 2]);
                self.step(Op::Recip, [root; 2])
            }
            BlockOp::Unary(Unary::Square) => self.step(Op::Mul, [a; 2]),
            BlockOp::Unary(f) => self.step(unary(f)?, [a; 2]),
            BlockOp::Copy => {
                self.step(Op::Copy, [a; 2]);
                a
            }
            BlockOp::Where => return None,
        };
        if let Address::Out(k) = i.to {
            self.steps.last_mut().expect("an instruction has a step").to = Some(k.into());
        }
        self.known.retain(|known| known.0 != i.to);
        self.known.push((i.to, value));
        Some(())
    }

    fn chain(&mut self, Chain { first, then }: Chain, [a, b, c]: [From; 3]) -> From {
        let first = match first {
            First::Add => Op::Add,
            First::Sub => Op::Sub,
            First::Mul => Op::Mul,
        };
        let p = self.step(first, [a, b]);
        match then {
            Then::End => p,
            Then::Square => self.step(Op::Mul, [p, p]),
            Then::Add => self.step(Op::Add, [p, c]),
            Then::Sub => self.step(Op::Sub, [p, c]),
            Then::From => self.step(Op::Sub, [c, p]),
            Then::Mul => self.step(Op::Mul, [p, c]),
        }
    }

    fn step(&mut self, op: Op, from: [From; 2]) -> From {
        self.steps.push(Step { op, from, to: None });
        From::Step(self.steps.len() - 1)
    }

    fn source(&mut self, address: Address) -> From {
        if let Some(known) = self.known.iter().find(|known| known.0 == address) {
            return known.1;
        }
        let from = match address {
            Address::Const(_) | Address::Splat(_) => {
                self.repeated.push(address);
                From::Repeated(self.repeated.len() - 1)
            }
            Address::Out(k) => From::Old(k.into()),
            Address::Operand(_) | Address::Register(_) | Address::Fed(_) | Address::Parted(_) => {
                self.reads.push(address);
                From::Read(self.reads.len() - 1)
            }
        };
        self.known.push((address, from));
        from
    }
}

fn unary(f: Unary) -> Option<Op> {
    match f {
        Unary::Neg => Some(Op::Neg),
        Unary::Abs => Some(Op::Abs),
        Unary::Sqrt => Some(Op::Sqrt),
        Unary::Recip => Some(Op::Recip),
        _ => None,
    }
}

fn binary(f: Binary) -> Option<Op> {
    match f {
        Binary::Add => Some(Op::Add),
        Binary::Sub => Some(Op::Sub),
        Binary::Mul => Some(Op::Mul),
        Binary::Div => Some(Op::Div),
        _ => None,
    }
}
