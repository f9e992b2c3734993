//! [`Explanation`]: the chain rule on the user's own function, one step after another.

use super::collect::scene;
use super::skeleton::Wanted;
use super::why::{Contributions, contributions};
use crate::draw::text::{aligned, markdown};
use crate::draw::{Node, Scene};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{Tape, Var};
use std::fmt::{self, Display, Formatter};

/// How a value and its derivatives are computed: see [`Tape::explain`]. `Display` prints it as plain text.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let x = tape.var(2.0).named("x");
/// let explanation = tape.explain(x.square());
/// assert!(explanation.to_string().starts_with("Forward"));
/// assert_eq!(explanation.wrt(x).rows().len(), 1);
/// ```
pub struct Explanation<'t, T: Float> {
    of: Var<'t, T>,
    scene: Scene,
}

impl<T: Float> Tape<T> {
    /// Explains `y` and its derivatives step by step: the forward pass with the formula, value and source line of each
    /// node, then the backward pass with the cotangent that arrives at each node (ḡ), its rule and derivative for each
    /// input, and what it passes on. If `y` is an array, the derivatives are those of its sum.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let (w, x) = (tape.var(2.0).named("w"), tape.var(3.0).named("x"));
    /// let y = (w * x).square().named("y");
    /// let steps = tape.explain(y).to_string();
    /// let backward: Vec<&str> = steps.lines().skip_while(|line| !line.starts_with("Backward")).collect();
    /// assert_eq!(backward, [
    ///     "Backward from y",
    ///     "node  ḡ   input     rule    derivative  passes on",
    ///     "y     1   #2        2·ḡ·#2  2·#2 = 12   12",
    ///     "#2    12  w         ḡ·x     x = 3       36",
    ///     "          x         ḡ·w     w = 2       24",
    ///     "x     24  gradient",
    ///     "w     36  gradient",
    /// ]);
    /// ```
    /// # Panics
    /// Panics if `y` belongs to another tape or the tape is a [sketch](Tape::sketch), which has no numbers;
    /// [`try_explain`](Tape::try_explain) returns the error instead.
    #[track_caller]
    pub fn explain<'t>(&'t self, y: Var<'t, T>) -> Explanation<'t, T> {
        or_panic(self.try_explain(y))
    }

    /// Same as [`explain`](Tape::explain), or an error.
    ///
    /// # Errors
    /// Returns an error if `y` belongs to another tape or the tape is a [sketch](Tape::sketch).
    pub fn try_explain<'t>(&'t self, y: Var<'t, T>) -> Result<Explanation<'t, T>> {
        if !std::ptr::eq(self, y.tape) {
            return Err(Error::Foreign { op: "explain" });
        }
        y.check_computed("explain")?;
        let all = usize::MAX;
        let wanted = Wanted { output: Some(y.id), values: true, backward: true, unfolded: all, ..Wanted::default() };
        Ok(Explanation { of: y, scene: scene(self, &wanted) })
    }
}

impl<'t, T: Float> Explanation<'t, T> {
    /// The steps as two tables in Markdown.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(0.0).named("x");
    /// let steps = tape.explain(x.sin().named("y")).to_markdown();
    /// assert!(steps.contains("| y | sin(x) | 0 |") && steps.contains("| y | 1 | x | ḡ·cos(x) | cos(x) = 1 | 1 |"));
    /// ```
    pub fn to_markdown(&self) -> String {
        let (first, second) = (markdown(FORWARD, &self.scene.forward()), markdown(BACKWARD, &self.scene.backward()));
        format!("### Forward\n\n{first}\n### Backward from {}\n\n{second}", self.scene.output)
    }

    /// Follows one input: where its derivative comes from, by path and source line, the largest contribution first; and,
    /// if it is 0, huge, tiny, infinite or NaN, where it becomes so.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(0.0).named("x");
    /// let y = x.sqrt() * 2.0 + x;
    /// let why = tape.explain(y).wrt(x);
    /// assert_eq!(why.rows()[0].largest, f64::INFINITY);
    /// assert!(why.verdict().starts_with("It is infinite: #1 = √x (") && why.verdict().contains("passes on inf"));
    /// ```
    /// # Panics
    /// Panics if `x` belongs to another tape.
    #[track_caller]
    pub fn wrt(&self, x: Var<'t, T>) -> Contributions {
        if !std::ptr::eq(self.of.tape, x.tape) {
            or_panic(Err(Error::Foreign { op: "explain" }))
        }
        contributions(self.of.tape, self.of.id, x.id)
    }
}

impl<T: Float> Display for Explanation<'_, T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let (first, second) = (aligned(FORWARD, &self.scene.forward()), aligned(BACKWARD, &self.scene.backward()));
        write!(f, "Forward\n{first}\nBackward from {}\n{second}", self.scene.output)
    }
}

const FORWARD: [&str; 4] = ["node", "formula", "value", "line"];
const BACKWARD: [&str; 6] = ["node", "ḡ", "input", "rule", "derivative", "passes on"];

impl Scene {
    /// The rows of the forward pass.
    fn forward(&self) -> Vec<[String; 4]> {
        let row = |node: &Node| {
            let formula = if node.formula.is_empty() { "given".into() } else { node.formula.clone() };
            [node.name.clone(), formula, node.caption(), node.line.clone()]
        };
        self.nodes.iter().map(row).collect()
    }

    /// The rows of the backward pass: one for each input that receives a cotangent.
    fn backward(&self) -> Vec<[String; 6]> {
        let mut rows = Vec::new();
        for node in self.nodes.iter().rev() {
            let Some(cotangent) = &node.cotangent else { continue };
            let mut head = [node.name.clone(), cotangent.to_string()];
            for link in &node.links {
                let Some(passes) = &link.passes else { continue };
                let slope = match &link.local {
                    Some(local) if link.slope == local.to_string() => link.slope.clone(),
                    Some(local) => format!("{} = {local}", link.slope),
                    None => String::new(),
                };
                let [name, cotangent] = std::mem::take(&mut head);
                rows.push([name, cotangent, link.name.clone(), link.rule.clone(), slope, passes.to_string()]);
            }
            if node.links.is_empty() {
                let [name, cotangent] = head;
                rows.push([name, cotangent, "gradient".into(), String::new(), String::new(), String::new()]);
            }
        }
        rows
    }
}
