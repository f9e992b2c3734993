//! Every op as mathematics, for people: its value, and what it passes on to its inputs. Elementwise functions are printed
//! from the rows that compute them; the rules of structured ops are written here.
//!
//! In a text, `$a`, `$b`, `$c` stand for the inputs, `$y` for the value and `$g` for its cotangent.

use super::{Factor, Fold, IntOp, Op, Pairwise, Side, Transform};
use crate::tensor::AxisSet;

/// The value of an op, and the rule of each input; an empty rule passes nothing on.
struct Words {
    value: String,
    rules: Vec<String>,
}

impl Op {
    /// The value as mathematics, of inputs with these names.
    pub(crate) fn value_text(&self, x: &[&str]) -> String {
        match (self, x) {
            (Op::Unary(f), [x]) => f.value_text(x),
            (Op::Binary(f), [a, b]) => f.value_text(a, b),
            (Op::Concat { axis }, x) => format!("[{}] along axis {axis}", x.join(", ")),
            (Op::Integers { from, .. }, x) if *from != IntOp::Given => format!("{}({})", from.name(), x.join(", ")),
            _ => filled(&self.words().value, x, "y", "ḡ"),
        }
    }

    /// What input `i` receives when `g` arrives, as mathematics; `None` if nothing flows.
    pub(crate) fn rule_text(&self, i: usize, x: &[&str], y: &str, g: &str) -> Option<String> {
        match (self, x) {
            (Op::Unary(f), [x]) => Some(f.rule_text(x, y, g)),
            (Op::Binary(f), [a, b]) => f.rule_text(if i == 0 { Side::A } else { Side::B }, [a, b, y, g]),
            (Op::Concat { .. }, _) => Some(format!("its part of {g}")),
            (Op::Custom { .. }, _) => Some("the user's rule".to_owned()),
            _ => {
                let words = self.words();
                words.rules.get(i).filter(|rule| !rule.is_empty()).map(|rule| filled(rule, x, y, g))
            }
        }
    }

    /// The derivative with respect to input `i`, as mathematics, if the op is elementwise.
    pub(crate) fn slope_text(&self, i: usize, x: &[&str], y: &str) -> Option<String> {
        matches!(self, Op::Unary(_) | Op::Binary(_)).then(|| self.rule_text(i, x, y, "1")).flatten()
    }

    fn words(&self) -> Words {
        let words = |value: &str, rules: &[&str]| Words {
            value: value.to_owned(),
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        };
        let along = |text: &str, axis: &usize| format!("{text} along axis {axis}");
        match self {
            Op::Leaf => words("a variable", &[]),
            Op::Const => words("a constant", &[]),
            Op::StopGradient => words("$a, as a constant", &[]),
            Op::Unary(_) | Op::Binary(_) | Op::Concat { .. } => unreachable!("printed by whoever knows the operands"),
            Op::Select => words("$b where $a, else $c", &["", "$g where $a, else 0", "0 where $a, else $g"]),
            Op::Reduce { fold, axes, .. } => reduction(*fold, *axes),
            Op::Softmax { axis } => words(&along("softmax($a)", axis), &["$y·($g - Σ $g·$y)"]),
            Op::SoftmaxVjp { .. } => {
                let rules = ["$g·($b - Σ $b·$a) - $b·Σ $g·$a", "$a·($g - Σ $g·$a)"];
                words("$a·($b - Σ $b·$a)", &rules)
            }
            Op::LogSoftmax { axis } => words(&along("$a - ln Σ exp($a)", axis), &["$g - exp($y)·Σ $g"]),
            Op::LogSoftmaxVjp { .. } => words("$b - exp($a)·Σ $b", &["-exp($a)·$g·Σ $b", "$g - Σ exp($a)·$g"]),
            Op::Standardize { .. } => {
                words("($a - mean)/√(var + ε)", &["r·($g - mean $g - $y·mean($g·$y)), r = 1/√(var + ε)"])
            }
            // S, the derivative of `Standardize`, is symmetric: it is the rule for the cotangent too.
            Op::StandardizeVjp { .. } => {
                let rules = ["-r·(z·mean($g·$y) + S·$g·mean($b·z) + $y·mean($g·z))", "S·$g"];
                words("S·$b = r·($b - mean $b - z·mean($b·z)), z standardizes $a", &rules)
            }
            Op::LayerNorm { .. } => words("z·$b + $c, z standardizes $a", &["S·($b·$g)", "Σ z·$g", "Σ $g"]),
            Op::LayerNormVjp { .. } => {
                let rules = ["-r·(z·mean($g·$y) + S·$g·mean($b·$c·z) + $y·mean($g·z))", "Σ $c·S·$g", "$b·S·$g"];
                words("S·($b·$c)", &rules)
            }
            Op::LayerNormSums { .. } => {
                words("[Σ z·$b, Σ $b], z standardizes $a", &["S·(u·$b), [u, v] = $g", "z·u + v, [u, v] = $g"])
            }
            // P are the weights softmax(scores). The mask, which may be absent, is the fourth input.
            Op::Attention { .. } => {
                let rules = ["s·S̄·$b, S̄ = P·(P̄ - Σ P̄·P), P̄ = $g·$cᵀ", "s·S̄ᵀ·$a", "Pᵀ·$g", "Σ S̄ over the repeats"];
                words("P·$c, P = softmax(s·$a·$bᵀ)", &rules)
            }
            Op::AttentionVjp { .. } => {
                let rules = ["second derivative of P·$c along $g"; 5];
                words("cotangents of $a, $b, $c in P·$c, P = softmax(s·$a·$bᵀ)", &rules)
            }
            Op::CumSum { axis, reverse: false } => words(&along("running Σ $a", axis), &["running Σ $g from the end"]),
            Op::CumSum { axis, reverse: true } => words(&along("running Σ $a from the end", axis), &["running Σ $g"]),
            Op::LogCumSumExp { axis } => {
                words(&along("running ln Σ exp($a)", axis), &["Σ $g[j]·exp($a[k] - $y[j]) over j ≥ k"])
            }
            Op::Recurrence { transposed: false, .. } => {
                let rules = ["b̄[k]·$y[k-1]", "b̄[k] = $g[k] + $a[k+1]·b̄[k+1]"];
                words("y[k] = $a[k]·y[k-1] + $b[k]", &rules)
            }
            Op::Recurrence { transposed: true, .. } => {
                let rules = ["b̄[k-1]·$y[k]", "b̄[k] = $g[k] + $a[k]·b̄[k-1]"];
                words("y[k] = $a[k+1]·y[k+1] + $b[k]", &rules)
            }
            Op::RecurrentTrace { cell, .. } => words(&format!("the steps of {}: states, then gates", cell.name()), &[]),
            Op::Recurrent { .. } => {
                let rules = [
                    "",
                    "δ",
                    "Σ δᵀ·$y[t-1]",
                    "Σ δ",
                    "",
                    "ḡ[0] behind the last step back",
                    "ḡ[0] behind the last step back",
                ];
                words("y[t] = step of $b[t] and y[t-1]·$cᵀ, a part of $a", &rules)
            }
            Op::RecurrentVjp { .. } => words("δ: the steps back from the states to what the steps read", &[]),
            Op::Integers { .. } => words("integers", &[]),
            Op::Cast { .. } => words("integers as numbers", &[]),
            Op::CrossEntropy { .. } => words("ln Σ exp($a) - $a[label]", &["$g·(softmax($a) - [label])"]),
            Op::CrossEntropyVjp { .. } => {
                let rules = ["p·(t - Σ t·p), p = softmax($a), t = $g·$b", "Σ $g·(softmax($a) - [label])"];
                words("$b·(softmax($a) - [label])", &rules)
            }
            Op::MatMul { ta, tb, .. } => product(*ta, *tb),
            Op::Linalg(factor) => matrix_function(*factor),
            Op::Fourier(Transform::Forward) => words("F·$a, F = exp(-2πi jk/n)", &["F̄·$g"]),
            Op::Fourier(Transform::Backward) => words("F̄·$a, F = exp(-2πi jk/n)", &["F·$g"]),
            Op::Fourier(Transform::Real) => words("half of F·$a, F = exp(-2πi jk/n)", &["real part of F̄·$g"]),
            Op::Fourier(Transform::Half { .. }) => {
                words("F̄·$a from half of $a, F = exp(-2πi jk/n)", &["half of F·$g, twice"])
            }
            Op::Pairwise(Pairwise::Distance) => {
                let rules =
                    ["Σ r[i, j]·($a[i] - $b[j]) over j, r = $g/$y", "Σ r[i, j]·($b[j] - $a[i]) over i, r = $g/$y"];
                words("‖$a[i] - $b[j]‖", &rules)
            }
            Op::Pairwise(Pairwise::Product) => {
                let rules = [
                    "Σ $g[i, j]·($c[i] - $d[j]) over j",
                    "Σ $g[i, j]·($d[j] - $c[i]) over i",
                    "Σ $g[i, j]·($a[i] - $b[j]) over j",
                    "Σ $g[i, j]·($b[j] - $a[i]) over i",
                ];
                words("($a[i] - $b[j])·($c[i] - $d[j])", &rules)
            }
            Op::Pairwise(Pairwise::Sum) => {
                words("Σ $a[i, j]·($b[i] - $c[j]) over j", &["$g[i]·($b[i] - $c[j])", "$g·Σ $a over j", "-$aᵀ·$g"])
            }
            Op::Reshape { shape } => words(&format!("$a as {:?}", shape.as_slice()), &["$g in the shape of $a"]),
            Op::Expand { shape } => {
                words(&format!("$a repeated to {:?}", shape.as_slice()), &["Σ $g over the repeats"])
            }
            Op::Permute { order } if order.as_slice() == [1, 0] => words("$aᵀ", &["$gᵀ"]),
            Op::Permute { order } => {
                words(&format!("$a with axes {:?}", order.as_slice()), &["$g with its axes back in order"])
            }
            Op::Slice { .. } => words("part of $a", &["$g among zeros"]),
            Op::Place { .. } => words("$a among zeros", &["part of $g"]),
            Op::Take { axis, .. } => words(&along("$a[index]", axis), &["$g added into zeros at the index"]),
            Op::TakeAdd { axis, .. } => words(&along("$a added into zeros at an index", axis), &["$g[index]"]),
            Op::Gather { axis, .. } => {
                words(&along("elements of $a by index", axis), &["$g added into zeros at the index"])
            }
            Op::GatherAdd { axis, .. } => {
                words(&along("$a added into zeros at an index", axis), &["elements of $g by index"])
            }
            Op::GatherFold { axis, fold: Fold::Prod, .. } => {
                words(&along("$a times $b at an index", axis), &["$g·Π $b", "$g[index] times the other factors"])
            }
            Op::GatherFold { axis, fold, .. } => words(
                &along(&format!("{} of $a and $b at an index", fold.name()), axis),
                &["the share of $g where $a is $y", "the share of $g[index] where $b is $y[index]"],
            ),
            Op::GatherOthers { axis, along: directions, .. } => {
                let value =
                    if *directions > 0 { "derivative of Π of the others of $a" } else { "Π of the others of $a" };
                let rules = vec!["derivative of Π of the others of $a along $g"; 1 + directions];
                words(&along(value, axis), &rules)
            }
            Op::Conv { .. } => words("conv($a, $b)", &["conv_transpose($g, $b)", "conv_weight($a, $g)"]),
            Op::ConvTranspose { .. } => words("conv_transpose($a, $b)", &["conv($g, $b)", "conv_weight($g, $a)"]),
            Op::ConvWeight { .. } => words("conv_weight($a, $b)", &["conv_transpose($b, $g)", "conv($a, $g)"]),
            Op::MaxPool { .. } => {
                words("$b where $a is largest in each window", &["", "$g added into zeros where $a is largest"])
            }
            Op::MaxUnpool { .. } => {
                words("$b added into zeros where $a is largest", &["", "$g where $a is largest in each window"])
            }
            Op::Map { axis, .. } => words(&along("M·$a", axis), &[&along("Mᵀ·$g", axis)]),
            Op::Custom { .. } => words("a user's op", &[]),
        }
    }
}

fn reduction(fold: Fold, axes: AxisSet) -> Words {
    let (value, rule) = match fold {
        Fold::Sum => ("Σ $a", "$g, repeated"),
        Fold::Mean => ("mean $a", "$g/n, repeated"),
        Fold::Norm => ("√Σ $a²", "$g·$a/$y"),
        Fold::Prod => ("Π $a", "$g·(product of the other elements)"),
        Fold::Max => ("max $a", "$g/ties where $a = $y, else 0"),
        Fold::Min => ("min $a", "$g/ties where $a = $y, else 0"),
        Fold::LogSumExp => ("ln Σ exp($a)", "$g·exp($a - $y)"),
    };
    let axes: Vec<String> = axes.iter().map(|axis| axis.to_string()).collect();
    let over = match axes.len() {
        0 => String::new(),
        1 => format!(" over axis {}", axes[0]),
        _ => format!(" over axes {}", axes.join(", ")),
    };
    Words { value: format!("{value}{over}"), rules: vec![rule.to_owned()] }
}

/// A product of matrices, each perhaps transposed, and the two products of its rule.
fn product(ta: bool, tb: bool) -> Words {
    let t = |name: &str, transposed: bool| format!("{name}{}", if transposed { "ᵀ" } else { "" });
    let a_bar = if ta { format!("{}·$gᵀ", t("$b", tb)) } else { format!("$g·{}", t("$b", !tb)) };
    let b_bar = if tb { format!("$gᵀ·{}", t("$a", ta)) } else { format!("{}·$g", t("$a", !ta)) };
    Words { value: format!("{}·{}", t("$a", ta), t("$b", tb)), rules: vec![a_bar, b_bar] }
}

fn matrix_function(factor: Factor) -> Words {
    let (value, rules): (&str, &[&str]) = match factor {
        Factor::Solve { .. } | Factor::TriangularSolve { .. } => ("$a⁻¹·$b", &["-($a⁻ᵀ·$g)·$yᵀ", "$a⁻ᵀ·$g"]),
        Factor::Inv => ("$a⁻¹", &["-$yᵀ·$g·$yᵀ"]),
        Factor::EighVjp => ("V·diag(w̄)·Vᵀ, from $a = V·diag(w)·Vᵀ", &["divided differences of w̄ along $g"]),
        Factor::SvdVjp => ("U·diag(s̄)·Vᵀ, from $a = U·diag(s)·Vᵀ", &["divided differences of s̄ along $g"]),
        Factor::Cholesky => ("L of L·Lᵀ = $a", &["symmetric part of L⁻ᵀ·Φ(Lᵀ·$g)·L⁻¹"]),
        Factor::Eigh => {
            let rule = "symmetric part of V·(diag(w̄) + VᵀV̄∘F)·Vᵀ, F = 1/(wⱼ - wᵢ)";
            ("eigenvalues w and vectors V of $a", &[rule])
        }
        Factor::Svd => {
            let rule = "U·((J + Jᵀ)·S + S·(K + Kᵀ) + diag(s̄))·Vᵀ and what is outside of U and V";
            ("singular values and vectors of $a", &[rule])
        }
        Factor::Qr => ("Q of Q·R = $a", &["($g + Q·(tril(M - Mᵀ) - M))·R⁻ᵀ, M = Qᵀ·$g"]),
        Factor::Lu => ("P, L, U of P·L·U = $a", &["P·L⁻ᵀ·(tril(Lᵀ·L̄) + triu(Ū·Uᵀ))·U⁻ᵀ, tril without the diagonal"]),
        Factor::Pinv { .. } => {
            let rule = "-$yᵀ·$g·$yᵀ + (I - $a·$y)·$gᵀ·$y·$yᵀ + $yᵀ·$y·$gᵀ·(I - $y·$a)";
            ("$a⁺", &[rule])
        }
        Factor::Eig => {
            let rule = "real part of V⁻ᴴ·(diag(w̄) + VᴴV̄∘F̄)·Vᴴ, F = 1/(wⱼ - wᵢ)";
            ("eigenvalues w and vectors V of $a, which need not be symmetric", &[rule])
        }
        Factor::Slogdet => ("sign and ln |det $a|", &["$g·$a⁻ᵀ, from the logarithm"]),
        Factor::Det => ("det $a", &["$g·cof $a"]),
        Factor::Cofactor => ("cof $a", &["second derivative of det $a along $g"]),
        Factor::MatrixExp => ("exp $a", &["upper right block of exp [$aᵀ $g; 0 $aᵀ]"]),
    };
    Words { value: value.to_owned(), rules: rules.iter().map(|rule| (*rule).to_owned()).collect() }
}

/// A text with names in place of the letters.
fn filled(text: &str, x: &[&str], y: &str, g: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        let letter = rest.as_bytes()[at + 1];
        out += match letter {
            b'y' => y,
            b'g' => g,
            input => x.get(usize::from(input - b'a')).copied().unwrap_or("?"),
        };
        rest = &rest[at + 2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Binary, Unary};

    #[test]
    fn names_take_the_place_of_letters() {
        assert_eq!(Op::Select.value_text(&["m", "p", "q"]), "p where m, else q");
        assert_eq!(Op::Select.rule_text(2, &["m", "p", "q"], "y", "ḡ").unwrap(), "0 where m, else ḡ");
        assert_eq!(Op::Select.rule_text(0, &["m", "p", "q"], "y", "ḡ"), None);
        assert_eq!(Op::Unary(Unary::Sin).slope_text(0, &["t"], "y").unwrap(), "cos(t)");
        assert_eq!(Op::Binary(Binary::Div).rule_text(1, &["p", "q"], "r", "r̄").unwrap(), "-r̄·r/q");
    }

    #[test]
    fn the_rule_of_a_product_turns_the_other_factor() {
        let text = |ta, tb| {
            let op = Op::MatMul { ta, tb, precision: crate::Precision::Full };
            let rule = |i| op.rule_text(i, &["A", "B"], "y", "ḡ").unwrap();
            [op.value_text(&["A", "B"]), rule(0), rule(1)]
        };
        assert_eq!(text(false, false), ["A·B", "ḡ·Bᵀ", "Aᵀ·ḡ"]);
        assert_eq!(text(false, true), ["A·Bᵀ", "ḡ·B", "ḡᵀ·A"]);
        assert_eq!(text(true, false), ["Aᵀ·B", "B·ḡᵀ", "A·ḡ"]);
        assert_eq!(text(true, true), ["Aᵀ·Bᵀ", "Bᵀ·ḡᵀ", "ḡᵀ·Aᵀ"]);
    }
}
