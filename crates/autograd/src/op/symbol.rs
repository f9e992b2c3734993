//! The rows of the table, evaluated on something other than numbers: printed as formulas, listed as what a rule reads,
//! and counted as operations. No flag has to be kept in sync with a rule by hand.

use super::reads::OUTPUT;
use super::{Binary, Side, Unary};
use crate::float::{Real, for_real};
use std::cell::RefCell;

/// Which operands an expression reads.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Reads {
    bits: u8,
    /// Whether the expression is just an operand.
    bare: bool,
}

impl Reads {
    const NOTHING: Reads = Reads { bits: 0, bare: false };
    const X: Reads = Reads { bits: 1, bare: true };
    const Y: Reads = Reads { bits: 2, bare: true };
    const G: Reads = Reads { bits: 4, bare: true };
    /// Set for calls of sine or cosine, whose fast loops cover a bounded range of angles.
    const TRIG: u8 = 8;
    /// The second operand, where it is distinguished from the first.
    const B: Reads = Reads { bits: 16, bare: true };

    fn with(self, b: Reads) -> Reads {
        Reads { bits: self.bits | b.bits, bare: false }
    }

    /// The inputs and the output that are read, as the bits of [`reads`](super::reads).
    fn values(self) -> u32 {
        let bit = |of: Reads, bit: u32| if self.bits & of.bits != 0 { bit } else { 0 };
        bit(Reads::X, 1) | bit(Reads::B, 2) | bit(Reads::Y, OUTPUT)
    }

    /// The number of operands that are read.
    fn operands(self) -> u32 {
        (self.bits & !Reads::TRIG).count_ones()
    }
}

macro_rules! reads {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl Real for Reads {
            fn lit(self, _: f64) -> Self { Reads::NOTHING }
            fn select(self, a: Self, b: Self) -> Self { self.with(a).with(b) }
            $( fn $u(self) -> Self {
                let trig = if matches!(stringify!($u), "sin" | "cos") { Reads::TRIG } else { 0 };
                Reads { bits: self.bits | trig, bare: false }
            } )*
            $( fn $b(self, b: Self) -> Self { self.with(b) } )*
        }
    };
}
for_real!(reads);

/// The number of operations in an expression, as written.
#[derive(Clone, Copy)]
struct Count(u64);

impl Count {
    const OPERAND: Count = Count(0);
}

macro_rules! counts {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl Real for Count {
            fn lit(self, _: f64) -> Self { Count(0) }
            fn select(self, a: Self, b: Self) -> Self { Count(self.0 + a.0 + b.0 + 1) }
            $( fn $u(self) -> Self { Count(self.0 + 1) } )*
            $( fn $b(self, b: Self) -> Self { Count(self.0 + b.0 + 1) } )*
        }
    };
}
for_real!(counts);

impl Unary {
    /// Number of operations per element for the value.
    pub fn flops(self) -> u64 {
        self.f(Count::OPERAND).0
    }

    /// Number of operations per element for the rule.
    pub(crate) fn rule_flops(self) -> u64 {
        self.rule(Count::OPERAND, Count::OPERAND, Count::OPERAND).0
    }

    /// How many of the input, the output and the output's cotangent the rule reads.
    pub(crate) fn rule_reads(self) -> u32 {
        self.rule(Reads::X, Reads::Y, Reads::G).operands()
    }

    /// Which of the input and the output the rule reads.
    pub(crate) fn reads(self) -> u32 {
        self.rule(Reads::X, Reads::Y, Reads::G).values()
    }

    /// Whether the value or the rule calls sine or cosine.
    pub(crate) fn is_trigonometric(self) -> bool {
        (self.f(Reads::X).bits | self.rule(Reads::X, Reads::Y, Reads::G).bits) & Reads::TRIG != 0
    }
}

impl Binary {
    /// Number of operations per element for the value.
    pub fn flops(self) -> u64 {
        self.f(Count::OPERAND, Count::OPERAND).0
    }

    /// Number of operations per element for the rule of one operand.
    pub(crate) fn rule_flops(self, side: Side) -> u64 {
        self.rule(side, Count::OPERAND, Count::OPERAND, Count::OPERAND, Count::OPERAND).0
    }

    /// How many of the inputs, the output and the output's cotangent the rule of one operand reads.
    pub(crate) fn rule_reads(self, side: Side) -> u32 {
        self.rule(side, Reads::X, Reads::B, Reads::Y, Reads::G).operands()
    }

    /// Which of the inputs and the output the rule of one operand reads.
    pub(crate) fn reads(self, side: Side) -> u32 {
        self.rule(side, Reads::X, Reads::B, Reads::Y, Reads::G).values()
    }

    /// Whether the cotangent of that operand is the unchanged cotangent of the output, so that nothing is computed.
    pub(crate) fn passes_cotangent(self, side: Side) -> bool {
        self.rule(side, Reads::X, Reads::X, Reads::Y, Reads::G) == Reads::G
    }
}

thread_local! {
    /// The texts of symbols, which must be `Copy` to implement [`Real`].
    static TEXTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// An expression as text, with its precedence: 0 sum, 1 product, 2 atom.
#[derive(Clone, Copy)]
struct Symbol {
    text: usize,
    tightness: u8,
}

impl Symbol {
    fn new(text: impl Into<String>, tightness: u8) -> Symbol {
        TEXTS.with_borrow_mut(|texts| {
            texts.push(text.into());
            Symbol { text: texts.len() - 1, tightness }
        })
    }

    /// The text, in parentheses if its precedence is below the given one.
    fn at(self, tightness: u8) -> String {
        let text = TEXTS.with_borrow(|texts| texts[self.text].clone());
        if self.tightness < tightness { format!("({text})") } else { text }
    }
}

macro_rules! spell {
    (neg $x:ident) => {
        Symbol::new(format!("-{}", $x.at(1)), 1)
    };
    (abs $x:ident) => {
        Symbol::new(format!("|{}|", $x.at(0)), 2)
    };
    (sqrt $x:ident) => {
        Symbol::new(format!("√{}", $x.at(2)), 2)
    };
    ($f:ident $x:ident) => {
        Symbol::new(format!("{}({})", stringify!($f), $x.at(0)), 2)
    };
    (add $x:ident $b:ident) => {
        Symbol::new(format!("{} + {}", $x.at(0), $b.at(0)), 0)
    };
    (sub $x:ident $b:ident) => {
        Symbol::new(format!("{} - {}", $x.at(0), $b.at(1)), 0)
    };
    (mul $x:ident $b:ident) => {
        Symbol::new(format!("{}·{}", $x.at(1), $b.at(1)), 1)
    };
    (div $x:ident $b:ident) => {
        Symbol::new(format!("{}/{}", $x.at(1), $b.at(2)), 1)
    };
    (pow $x:ident $b:ident) => {
        Symbol::new(format!("{}^{}", $x.at(2), $b.at(2)), 2)
    };
    (gt $x:ident $b:ident) => {
        Symbol::new(format!("[{} > {}]", $x.at(0), $b.at(0)), 2)
    };
    (ge $x:ident $b:ident) => {
        Symbol::new(format!("[{} ≥ {}]", $x.at(0), $b.at(0)), 2)
    };
    (eq $x:ident $b:ident) => {
        Symbol::new(format!("[{} = {}]", $x.at(0), $b.at(0)), 2)
    };
    ($f:ident $x:ident $b:ident) => {
        Symbol::new(format!("{}({}, {})", stringify!($f), $x.at(0), $b.at(0)), 2)
    };
}
macro_rules! symbols {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl Real for Symbol {
            fn lit(self, c: f64) -> Self { Symbol::new(c.to_string(), 2) }
            fn select(self, a: Self, b: Self) -> Self {
                Symbol::new(format!("({} if {} else {})", a.at(0), self.at(0), b.at(0)), 2)
            }
            $( fn $u(self) -> Self { spell!($u self) } )*
            $( fn $b(self, b: Self) -> Self { spell!($b self b) } )*
        }
    };
}
for_real!(symbols);

/// Returns the derivative table in Markdown, printed from the rows that compute it. Its columns are the function, its
/// value, and the cotangents of its operands, where ḡ is the cotangent of y.
///
/// ```
/// let table = autograd::derivative_table();
/// assert!(table.contains("| `tanh` | tanh(x) | ḡ·(1 - y·y) | |"));
/// ```
pub fn derivative_table() -> String {
    let [x, y, g, a, b] = ["x", "y", "ḡ", "a", "b"].map(|s| Symbol::new(s, 2));
    let mut out =
        String::from("| function | y | cotangent of the first operand | of the second |\n|---|---|---|---|\n");
    let text = |s: Symbol| s.at(0).replace('|', "\\|");
    for &u in Unary::ALL {
        out += &format!("| `{}` | {} | {} | |\n", u.name(), text(u.f(x)), text(u.rule(x, y, g)));
    }
    for &f in Binary::ALL {
        let rule = |side| if f.is_differentiable() { text(f.rule(side, a, b, y, g)) } else { "none".into() };
        out += &format!("| `{}` | {} | {} | {} |\n", f.name(), text(f.f(a, b)), rule(Side::A), rule(Side::B));
    }
    TEXTS.with_borrow_mut(Vec::clear);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_read() {
        assert!(Unary::Sin.is_trigonometric() && Unary::Cos.is_trigonometric() && !Unary::Exp.is_trigonometric());
        assert!(Binary::Add.passes_cotangent(Side::B) && Binary::Sub.passes_cotangent(Side::A));
        assert!(!Binary::Sub.passes_cotangent(Side::B) && !Binary::Mul.passes_cotangent(Side::A));
        // Binary kernels do not have a second path for large angles.
        let reads =
            |f: &Binary| f.f(Reads::X, Reads::X).bits | f.rule(Side::A, Reads::X, Reads::X, Reads::Y, Reads::G).bits;
        assert!(Binary::ALL.iter().all(|f| reads(f) & Reads::TRIG == 0));
    }
}
