//! The formulas of the table, printed as mathematics.

use super::formula::{Formula, Function, Source};
use super::{Binary, Side, Unary};
use crate::float::for_real;

/// An expression as text, with its precedence: 0 sum, 1 product, 2 atom.
struct Symbol {
    text: String,
    tightness: u8,
}

impl Symbol {
    fn new(text: impl Into<String>, tightness: u8) -> Symbol {
        Symbol { text: text.into(), tightness }
    }

    /// The text, in parentheses if its precedence is below the given one.
    fn at(&self, tightness: u8) -> String {
        if self.tightness < tightness { format!("({})", self.text) } else { self.text.clone() }
    }
}

macro_rules! names {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        /// The name of a primitive in the algebra of the table.
        fn name(function: Function) -> &'static str {
            match function {
                $( Function::Unary(Unary::$U) => stringify!($u), )*
                $( Function::Binary(Binary::$B) => stringify!($b), )*
                Function::Select => "select",
                Function::Unary(_) | Function::Binary(_) => unreachable!("formulas consist of primitives"),
            }
        }
    };
}
for_real!(names);

/// A function applied to these operands.
fn applied(function: Function, x: &[&Symbol]) -> Symbol {
    let [a, b, c] = std::array::from_fn(|i| move |tightness| x[i].at(tightness));
    let (text, tightness) = match function {
        Function::Unary(Unary::Neg) => (format!("-{}", a(1)), 1),
        Function::Unary(Unary::Abs) => (format!("|{}|", a(0)), 2),
        Function::Unary(Unary::Sqrt) => (format!("√{}", a(2)), 2),
        Function::Unary(_) => (format!("{}({})", name(function), a(0)), 2),
        Function::Binary(Binary::Add) => (format!("{} + {}", a(0), b(0)), 0),
        Function::Binary(Binary::Sub) => (format!("{} - {}", a(0), b(1)), 0),
        Function::Binary(Binary::Mul) => (format!("{}·{}", a(1), b(1)), 1),
        Function::Binary(Binary::Div) => (format!("{}/{}", a(1), b(2)), 1),
        Function::Binary(Binary::Pow) => (format!("{}^{}", a(2), b(2)), 2),
        Function::Binary(Binary::Gt) => (format!("[{} > {}]", a(0), b(0)), 2),
        Function::Binary(Binary::Ge) => (format!("[{} ≥ {}]", a(0), b(0)), 2),
        Function::Binary(Binary::Eq) => (format!("[{} = {}]", a(0), b(0)), 2),
        Function::Binary(_) => (format!("{}({}, {})", name(function), a(0), b(0)), 2),
        Function::Select => (format!("({} if {} else {})", b(0), a(0), c(0)), 2),
    };
    Symbol::new(text, tightness)
}

/// The formula of operands with these names.
fn text(formula: &Formula, operands: &[&str]) -> String {
    let operands: Vec<Symbol> = operands.iter().map(|&name| Symbol::new(name, 2)).collect();
    let mut done: Vec<Symbol> = Vec::new();
    let constant = |source: &Source| match source {
        Source::Const(bits) => Symbol::new(f64::from_bits(*bits).to_string(), 2),
        _ => Symbol::new("", 2),
    };
    for step in &formula.steps {
        let constants: Vec<Symbol> = step.from().iter().map(constant).collect();
        let x: Vec<&Symbol> = step.from().iter().zip(&constants).map(|(s, c)| find(s, c, &operands, &done)).collect();
        let symbol = applied(step.function, &x);
        done.push(symbol);
    }
    find(&formula.result, &constant(&formula.result), &operands, &done).at(0).replace('|', "\\|")
}

fn find<'s>(source: &Source, constant: &'s Symbol, operands: &'s [Symbol], done: &'s [Symbol]) -> &'s Symbol {
    match source {
        Source::Input(i) => &operands[usize::from(*i)],
        Source::Const(_) => constant,
        Source::Step(k) => &done[usize::from(*k)],
    }
}

/// Returns the derivative table in Markdown, printed from the rows that compute it. Its columns are the function, its
/// value, and the cotangents of its operands, where ḡ is the cotangent of y.
///
/// ```
/// let table = autograd::derivative_table();
/// assert!(table.contains("| `exp` | exp(x) | ḡ·y | |"));
/// ```
pub fn derivative_table() -> String {
    let mut out =
        String::from("| function | y | cotangent of the first operand | of the second |\n|---|---|---|---|\n");
    for &u in Unary::ALL {
        let (y, rule) = (text(u.formula(), &["x"]), text(u.rule_formula(), &["x", "y", "ḡ"]));
        out += &format!("| `{}` | {y} | {rule} | |\n", u.name());
    }
    for &f in Binary::ALL {
        let operands = &["a", "b", "y", "ḡ"];
        let rule = |side| if f.is_differentiable() { text(f.rule_formula(side), operands) } else { "none".into() };
        let y = text(f.formula(), operands);
        out += &format!("| `{}` | {y} | {} | {} |\n", f.name(), rule(Side::A), rule(Side::B));
    }
    out
}
