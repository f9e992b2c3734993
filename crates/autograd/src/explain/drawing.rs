//! [`Drawing`]: a picture of a tape, with options for its content.

use super::collect::scene;
use super::skeleton::{Grouping, Wanted};
use crate::draw::Scene;
use crate::error::{Error, or_panic};
use crate::float::Float;
use crate::tape::{Tape, Var};

/// A picture of a tape: a builder for its content, and its output formats. Formulas use the names given by [`Var::named`],
/// or the numbers of nodes on the tape; constants without a name appear inside the formulas.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let (w, x) = (tape.var(-1.5).named("w"), tape.constant(2.0).named("x"));
/// let y = (w * x).tanh().named("y");
/// let svg = tape.drawing().values().backward(y).to_svg(); // both passes, side by side
/// assert!(svg.contains(">y = tanh(#2)</text>") && svg.contains(">dy/dw</text>"));
/// ```
#[derive(Clone)]
pub struct Drawing<'t, T: Float> {
    tape: &'t Tape<T>,
    wanted: Wanted,
}

/// Up to this number of nodes, every node is drawn.
const UNFOLDED: usize = 40;

impl<T: Float> Tape<T> {
    /// A picture of this tape. By default it shows the ops and shapes of everything recorded.
    ///
    /// ```
    /// let tape = autograd::Tape::<f32>::new();
    /// let w = tape.var(autograd::Tensor::eye(8)).named("w");
    /// let h = (0..1000).fold(w, |h, _| h.matmul(w).tanh());
    /// let dot = tape.drawing().to_dot();
    /// assert!(dot.contains("× 1,000")); // one block stands for all
    /// # let _ = h;
    /// ```
    pub fn drawing(&self) -> Drawing<'_, T> {
        Drawing { tape: self, wanted: Wanted { unfolded: UNFOLDED, ..Wanted::default() } }
    }

    /// The tape as a [Mermaid](https://mermaid.js.org) flowchart, which GitHub and many editors draw: put it in a block of
    /// Markdown marked `mermaid`. [`drawing`](Tape::drawing) has options.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0).named("x");
    /// let _ = (x * x).sin();
    /// assert!(tape.to_mermaid().starts_with("flowchart TD\n  n0(\"x\"):::variable\n"));
    /// ```
    pub fn to_mermaid(&self) -> String {
        self.drawing().to_mermaid()
    }

    /// The tape in the language of [Graphviz](https://graphviz.org). [`drawing`](Tape::drawing) has options.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0).named("x");
    /// let _ = (x * x).sin();
    /// assert!(tape.to_dot().contains("label=\"#1 = x·x\""));
    /// ```
    pub fn to_dot(&self) -> String {
        self.drawing().to_dot()
    }

    /// The tape as an SVG picture, laid out and drawn without external programs. [`drawing`](Tape::drawing) has
    /// options.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0).named("x");
    /// let _ = (x * x).sin();
    /// assert!(tape.to_svg().starts_with("<svg ") && tape.to_svg().contains("#2 = sin(#1)"));
    /// ```
    pub fn to_svg(&self) -> String {
        self.drawing().to_svg()
    }

    /// The tape as a self-contained page of HTML: the graph of everything that the last value depends on, with every
    /// number. A click on a node shows its rule, and a slider walks the backward pass. The arrow keys do both.
    /// [`drawing`](Tape::drawing) has options.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0).named("x");
    /// let _ = (x * x).sin();
    /// let page = tape.to_html();
    /// assert!(page.starts_with("<!doctype html>") && page.contains("sin(#1)") && !page.contains(" src="));
    /// ```
    pub fn to_html(&self) -> String {
        let drawing = self.drawing().values();
        match self.vars().last().filter(|_| !self.list().is_sketch()) {
            Some(last) => drawing.backward(last).to_html(),
            None => drawing.to_html(),
        }
    }
}

impl<'t, T: Float> Drawing<'t, T> {
    /// Shows the values: all numbers if there are few, else their range, and how many are 0, infinite or NaN.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let _ = tape.var([1.0, 4.0]).named("x").sqrt();
    /// assert!(tape.drawing().values().to_mermaid().contains("[1, 2]"));
    /// ```
    pub fn values(mut self) -> Self {
        self.wanted.values = true;
        self
    }

    /// Shows only the values that `y` depends on.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let (y, _) = (x.sin(), x.cos());
    /// assert!(!tape.drawing().of(y).to_mermaid().contains("cos"));
    /// ```
    /// # Panics
    /// Panics if `y` belongs to another tape.
    #[track_caller]
    pub fn of(mut self, y: Var<'t, T>) -> Self {
        if !std::ptr::eq(self.tape, y.tape) {
            or_panic(Err(Error::Foreign { op: "drawing" }))
        }
        self.wanted.output = Some(y.id);
        self
    }

    /// Shows the values that `y` depends on, and beside them the backward pass from `y`: the cotangent of each value, and
    /// the derivatives along the edges. If `y` is an array, the cotangents are those of its sum.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(3.0).named("x");
    /// let y = x.square().named("y");
    /// let picture = tape.drawing().backward(y).to_mermaid();
    /// assert!(picture.contains("[\"dy/dx<br>6\"]") && picture.contains("-->|\"2·x\"|"));
    /// ```
    /// # Panics
    /// Panics if `y` belongs to another tape, or the tape is a [sketch](Tape::sketch), which has no numbers.
    #[track_caller]
    pub fn backward(self, y: Var<'t, T>) -> Self {
        let mut drawing = self.of(y);
        or_panic(y.check_computed("drawing"));
        drawing.wanted.backward = true;
        drawing
    }

    /// Draws a box around these values. The path places it inside other boxes: `encoder.0` is within `encoder`. The
    /// label, which may be empty, describes the box.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let h = x.sin();
    /// let picture = tape.drawing().group("encoder", "a sine", &[h, h.exp()]).to_mermaid();
    /// assert!(picture.contains("[\"encoder: a sine\"]"));
    /// ```
    pub fn group(mut self, path: &str, label: &str, values: &[Var<'t, T>]) -> Self {
        let ids = values.iter().map(|v| v.id as usize).collect();
        self.wanted.groups.push(Grouping { path: path.to_owned(), label: label.to_owned(), ids });
        self
    }

    /// Draws every node. By default, a picture of more than forty nodes draws a block that is recorded at least three times
    /// in a row, such as a loop or identical layers, only once: with the numbers of the first repetition, in a box that
    /// shows the number of repetitions.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let y = (0..100).fold(tape.var(1.0), |y, _| y.sin());
    /// let boxes = |picture: String| picture.matches("sin").count();
    /// assert_eq!((boxes(tape.to_dot()), boxes(tape.drawing().unfolded().to_dot())), (1, 100));
    /// # let _ = y;
    /// ```
    pub fn unfolded(mut self) -> Self {
        self.wanted.unfolded = usize::MAX;
        self
    }

    /// As a [Mermaid](https://mermaid.js.org) flowchart.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let y = 2.0 * tape.var(3.0).named("x");
    /// assert!(tape.drawing().values().backward(y).to_mermaid().starts_with("flowchart TD"));
    /// ```
    pub fn to_mermaid(&self) -> String {
        self.scene().mermaid()
    }

    /// In the language of [Graphviz](https://graphviz.org).
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let y = 2.0 * tape.var(3.0).named("x");
    /// assert!(tape.drawing().values().backward(y).to_dot().starts_with("digraph tape {"));
    /// ```
    pub fn to_dot(&self) -> String {
        self.scene().dot()
    }

    /// As a complete SVG document, which follows the reader's light or dark theme.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let y = 2.0 * tape.var(3.0).named("x");
    /// assert!(tape.drawing().values().backward(y).to_svg().ends_with("</svg>\n"));
    /// ```
    pub fn to_svg(&self) -> String {
        self.scene().svg()
    }

    /// As a self-contained page of HTML; see [`Tape::to_html`].
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let y = 2.0 * tape.var(3.0).named("x");
    /// assert!(tape.drawing().values().backward(y).to_html().contains("2·x"));
    /// ```
    pub fn to_html(&self) -> String {
        self.scene().html("tape")
    }

    fn scene(&self) -> Scene {
        scene(self.tape, &self.wanted)
    }
}
