//! A row of the table as data: the functions it is composed of, in the order in which they are evaluated, each common
//! subexpression once. It is recorded from the row itself on first use.
//!
//! Only a few rows have a dedicated loop. Everything else uses the formula: it evaluates blocks and scalars step by
//! step, records rules on the tape, prints them as mathematics, and determines what they read. No flags are maintained
//! by hand. This module knows neither tensors nor tapes.

use super::{Binary, OUTPUT, Side, Unary};
use crate::float::{Real, for_real};
use std::cell::RefCell;
use std::sync::LazyLock;

/// What a step applies: a row that is a primitive of [`Real`], or a choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    Unary(Unary),
    Binary(Binary),
    /// `mask ? a : b`
    Select,
}

impl Function {
    /// The number of operands.
    pub(crate) fn arity(self) -> usize {
        match self {
            Function::Unary(_) => 1,
            Function::Binary(_) => 2,
            Function::Select => 3,
        }
    }
}

/// Where a step finds an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// An operand of the row.
    Input(u8),
    /// A constant, by its bits, so that the two zeros differ.
    Const(u64),
    /// The result of an earlier step.
    Step(u8),
}

/// One function of the composition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) function: Function,
    from: [Source; 3],
}

impl Step {
    /// The operands.
    pub(crate) fn from(&self) -> &[Source] {
        &self.from[..self.function.arity()]
    }
}

/// A value or a rule of a row. The operands of a value are x, or a and b; those of a rule also y and g.
#[derive(Debug)]
pub(crate) struct Formula {
    pub(crate) steps: Vec<Step>,
    pub(crate) result: Source,
    /// For blocks: the register that each step writes, which differs from those of its operands.
    pub(crate) registers: Vec<u8>,
}

/// An expression under construction.
#[derive(Clone, Copy)]
pub(crate) struct Term<'f> {
    steps: &'f RefCell<Vec<Step>>,
    source: Source,
}

impl Term<'_> {
    fn apply<const N: usize>(self, function: Function, operands: [Self; N]) -> Self {
        let mut from = [Source::Const(0); 3];
        from.iter_mut().zip(operands).for_each(|(from, x)| *from = x.source);
        let (step, mut steps) = (Step { function, from }, self.steps.borrow_mut());
        let at = steps.iter().position(|other| *other == step).unwrap_or_else(|| {
            steps.push(step);
            steps.len() - 1
        });
        Term { source: Source::Step(at as u8), ..self }
    }
}

macro_rules! terms {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl Real for Term<'_> {
            fn lit(self, c: f64) -> Self { Term { source: Source::Const(c.to_bits()), ..self } }
            fn select(self, a: Self, b: Self) -> Self { self.apply(Function::Select, [self, a, b]) }
            $( fn $u(self) -> Self { self.apply(Function::Unary(Unary::$U), [self]) } )*
            $( fn $b(self, b: Self) -> Self { self.apply(Function::Binary(Binary::$B), [self, b]) } )*
        }
    };
}
for_real!(terms);

/// Expressions of `inputs` operands as data: their steps, each common subexpression once, and where the results are.
pub(crate) fn record(
    inputs: usize,
    expressions: &dyn for<'f> Fn(&[Term<'f>]) -> Vec<Term<'f>>,
) -> (Vec<Step>, Vec<Source>) {
    let steps = RefCell::new(Vec::new());
    let input = |i: usize| Term { steps: &steps, source: Source::Input(i as u8) };
    let inputs: Vec<Term> = (0..inputs).map(input).collect();
    let results = expressions(&inputs).iter().map(|term| term.source).collect();
    (steps.into_inner(), results)
}

impl Formula {
    fn new(inputs: usize, row: &dyn for<'f> Fn(&[Term<'f>]) -> Term<'f>) -> Formula {
        let (steps, results) = record(inputs, &|x| vec![row(x)]);
        let registers = registers(&steps);
        Formula { steps, result: results[0], registers }
    }

    /// The operand, if the formula returns it unchanged.
    pub(crate) fn is_input(&self) -> Option<usize> {
        if let Source::Input(i) = self.result { Some(i.into()) } else { None }
    }

    /// The number of functions it applies.
    fn flops(&self) -> u64 {
        self.steps.len() as u64
    }

    /// The operands it reads, as bits.
    fn inputs(&self) -> u32 {
        let read = self.steps.iter().flat_map(Step::from).chain([&self.result]);
        read.fold(0, |bits, source| if let Source::Input(i) = source { bits | 1 << i } else { bits })
    }
}

/// A register for each step, reused after its last reader.
fn registers(steps: &[Step]) -> Vec<u8> {
    let mut registers = Vec::with_capacity(steps.len());
    for (at, _) in steps.iter().enumerate() {
        let read_from = |k: usize| steps[at..].iter().any(|step| step.from().contains(&Source::Step(k as u8)));
        let taken = |r: u8| registers.iter().enumerate().any(|(k, &of)| of == r && read_from(k));
        registers.push((0..).find(|&r| !taken(r)).expect("fewer registers than steps"));
    }
    registers
}

/// All formulas, by row.
struct Table {
    unary: Vec<[Formula; 2]>,
    binary: Vec<[Formula; 3]>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    unary: Unary::ALL
        .iter()
        .map(|f| [Formula::new(1, &|x| f.f(x[0])), Formula::new(3, &|x| f.rule(x[0], x[1], x[2]))])
        .collect(),
    binary: Binary::ALL
        .iter()
        .map(|f| {
            let rule = |side| Formula::new(4, &|x| f.rule(side, x[0], x[1], x[2], x[3]));
            [Formula::new(2, &|x| f.f(x[0], x[1])), rule(Side::A), rule(Side::B)]
        })
        .collect(),
});

/// The bits of [`OUTPUT`] for a rule whose operands are `inputs` values, then y and g.
fn values(read: u32, inputs: u32) -> u32 {
    let output = if read >> inputs & 1 == 1 { OUTPUT } else { 0 };
    read & ((1 << inputs) - 1) | output
}

impl Unary {
    /// The value, of x.
    pub(crate) fn formula(self) -> &'static Formula {
        &TABLE.unary[self as usize][0]
    }

    /// The cotangent of x, of x, y and g.
    pub(crate) fn rule_formula(self) -> &'static Formula {
        &TABLE.unary[self as usize][1]
    }

    /// The number of operations per element for the value.
    ///
    /// ```
    /// assert_eq!(autograd::op::Unary::Square.flops(), 1); // x · x
    /// ```
    pub fn flops(self) -> u64 {
        self.formula().flops()
    }

    /// The number of operations per element for the rule.
    pub(crate) fn rule_flops(self) -> u64 {
        self.rule_formula().flops()
    }

    /// How many of the input, the output and the output's cotangent the rule reads.
    pub(crate) fn rule_reads(self) -> u32 {
        self.rule_formula().inputs().count_ones()
    }

    /// Which of the input and the output the rule reads.
    pub(crate) fn reads(self) -> u32 {
        values(self.rule_formula().inputs(), 1)
    }
}

impl Binary {
    /// The value, of a and b.
    pub(crate) fn formula(self) -> &'static Formula {
        &TABLE.binary[self as usize][0]
    }

    /// The cotangent of one operand, of a, b, y and g.
    pub(crate) fn rule_formula(self, side: Side) -> &'static Formula {
        &TABLE.binary[self as usize][1 + side as usize]
    }

    /// The number of operations per element for the value.
    ///
    /// ```
    /// assert_eq!(autograd::op::Binary::Mul.flops(), 1);
    /// ```
    pub fn flops(self) -> u64 {
        self.formula().flops()
    }

    /// The number of operations per element for the rule of one operand.
    pub(crate) fn rule_flops(self, side: Side) -> u64 {
        self.rule_formula(side).flops()
    }

    /// How many of the inputs, the output and the output's cotangent the rule of one operand reads.
    pub(crate) fn rule_reads(self, side: Side) -> u32 {
        self.rule_formula(side).inputs().count_ones()
    }

    /// Which of the inputs and the output the rule of one operand reads.
    pub(crate) fn reads(self, side: Side) -> u32 {
        values(self.rule_formula(side).inputs(), 2)
    }

    /// Whether the cotangent of that operand is the unchanged cotangent of the output, so that nothing is computed.
    pub(crate) fn passes_cotangent(self, side: Side) -> bool {
        self.rule_formula(side).is_input() == Some(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_read() {
        assert!(Binary::Add.passes_cotangent(Side::B) && Binary::Sub.passes_cotangent(Side::A));
        assert!(!Binary::Sub.passes_cotangent(Side::B) && !Binary::Mul.passes_cotangent(Side::A));
        assert_eq!((Unary::Exp.reads(), Unary::Sin.reads(), Unary::Neg.reads()), (OUTPUT, 1, 0));
        assert_eq!((Binary::Div.reads(Side::A), Binary::Div.reads(Side::B)), (2, 2 | OUTPUT));
    }

    #[test]
    fn common_subexpressions_are_evaluated_once() {
        // tanh(softplus(x)) occurs three times in the rule of mish.
        let tanh = |step: &&Step| step.function == Function::Unary(Unary::Tanh);
        assert_eq!(Unary::Mish.rule_formula().steps.iter().filter(tanh).count(), 1);
    }

    #[test]
    fn no_step_writes_over_what_is_still_read() {
        let all = Unary::ALL.iter().flat_map(|f| [f.formula(), f.rule_formula()]);
        let sides = [Side::A, Side::B];
        let all = all.chain(Binary::ALL.iter().flat_map(|f| sides.map(|side| f.rule_formula(side))));
        for formula in all {
            for (at, step) in formula.steps.iter().enumerate() {
                for &source in step.from() {
                    let Source::Step(k) = source else { continue };
                    let k = usize::from(k);
                    let overwritten = formula.registers[k + 1..=at].contains(&formula.registers[k]);
                    assert!(!overwritten, "step {at} reads step {k} of {formula:?}");
                }
            }
        }
    }
}
