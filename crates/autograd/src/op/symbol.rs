//! The formulas of the table, printed as mathematics.

use super::formula::{Formula, Function, Source};
use super::{Binary, Side, Unary};
use crate::float::for_real;

/// An expression as text, with its precedence: 0 sum, 1 product, 2 atom.
#[derive(Clone)]
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
    // Factors of 1 and -1 are what is left of the cotangent where a derivative is printed.
    match (function, x) {
        (Function::Binary(Binary::Mul), [one, other] | [other, one]) if one.text == "1" => return (*other).clone(),
        (Function::Binary(Binary::Mul), [Symbol { text, .. }, other]) if text == "-1" => {
            return Symbol::new(format!("-{}", other.at(1)), 1);
        }
        _ => (),
    }
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
        // Its value for b = tanh a; how it is computed does not matter here.
        Function::Binary(Binary::TanhSlope) => (format!("1 - {}·{}", b(1), b(1)), 0),
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
    find(&formula.result, &constant(&formula.result), &operands, &done).at(0)
}

fn find<'s>(source: &Source, constant: &'s Symbol, operands: &'s [Symbol], done: &'s [Symbol]) -> &'s Symbol {
    match source {
        Source::Input(i) => &operands[usize::from(*i)],
        Source::Const(_) => constant,
        Source::Step(k) => &done[usize::from(*k)],
    }
}

impl Unary {
    /// The value as mathematics.
    pub(crate) fn value_text(self, x: &str) -> String {
        text(self.formula(), &[x])
    }

    /// The cotangent of the input as mathematics. With 1 for `g`, it is the derivative.
    pub(crate) fn rule_text(self, x: &str, y: &str, g: &str) -> String {
        text(self.rule_formula(), &[x, y, g])
    }
}

impl Binary {
    /// The value as mathematics.
    pub(crate) fn value_text(self, a: &str, b: &str) -> String {
        text(self.formula(), &[a, b])
    }

    /// The cotangent of an operand as mathematics, unless none flows. With 1 for `g`, it is the derivative.
    pub(crate) fn rule_text(self, side: Side, [a, b, y, g]: [&str; 4]) -> Option<String> {
        self.is_differentiable().then(|| text(self.rule_formula(side), &[a, b, y, g]))
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
        let (y, rule) = (u.value_text("x"), u.rule_text("x", "y", "ḡ"));
        out += &row(u.name(), &y, &rule, "");
    }
    for &f in Binary::ALL {
        let rule = |side| f.rule_text(side, ["a", "b", "y", "ḡ"]).unwrap_or_else(|| "none".into());
        out += &row(f.name(), &f.value_text("a", "b"), &rule(Side::A), &rule(Side::B));
    }
    out
}

/// A row of the table.
fn row(name: &str, y: &str, first: &str, second: &str) -> String {
    let [y, first, second] = [y, first, second].map(|text| text.replace('|', "\\|"));
    format!("| `{name}` | {y} | {first} |{}{second} |\n", if second.is_empty() { "" } else { " " })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derivative_is_the_rule_for_a_cotangent_of_1() {
        let slope = |f: Unary| f.rule_text("z", "y", "1");
        assert_eq!((slope(Unary::Square), slope(Unary::Recip)), ("2·z".into(), "-y·y".into()));
        assert_eq!((slope(Unary::Sin), slope(Unary::Ln)), ("cos(z)".into(), "1/z".into()));
        assert_eq!((slope(Unary::Neg), slope(Unary::Tanh)), ("-1".into(), "1 - y·y".into()));
        let mul = |side| Binary::Mul.rule_text(side, ["w", "x", "y", "1"]).unwrap();
        assert_eq!((mul(Side::A), mul(Side::B)), ("x".into(), "w".into()));
        assert_eq!(Binary::Gt.rule_text(Side::A, ["a", "b", "y", "1"]), None);
    }
}
