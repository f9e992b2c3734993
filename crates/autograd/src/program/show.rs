//! Displays a program as text and as a picture: what was fused, and where memory is used.

use super::Program;
use super::fused::Fused;
use super::steps::{Memory, Out, Plan, Work};
use crate::draw::{Kind, Link, Node, Scene};
use crate::float::Float;
use std::fmt::{self, Display, Formatter};

/// Prints each step with the shapes of its results and where they are written, followed by the total memory.
impl<T: Float> Display for Program<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.plan.print(size_of::<T>(), f)
    }
}

impl<T: Float> Program<T> {
    /// The steps as a [Mermaid](https://mermaid.js.org) flowchart: what was fused into what, the shapes of the results, and
    /// the block of memory that each is written to.
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0, 3.0]);
    /// let program = Program::new(&tape, &[x], &[(x * x.sin()).exp()]);
    /// assert!(program.to_mermaid().contains("[sin mul exp]")); // one loop
    /// ```
    pub fn to_mermaid(&self) -> String {
        self.plan.scene().mermaid()
    }

    /// The steps in the language of [Graphviz](https://graphviz.org); see [`to_mermaid`](Program::to_mermaid).
    ///
    /// ```
    /// # use autograd::{Program, Tape};
    /// # let tape = Tape::<f64>::new();
    /// # let x = tape.var([1.0, 2.0, 3.0]);
    /// let program = Program::new(&tape, &[x], &[x * x.sin()]);
    /// assert!(program.to_dot().contains("[sin mul]"));
    /// ```
    pub fn to_dot(&self) -> String {
        self.plan.scene().dot()
    }

    /// The steps as a complete SVG document; see [`to_mermaid`](Program::to_mermaid).
    ///
    /// ```
    /// # use autograd::{Program, Tape};
    /// # let tape = Tape::<f64>::new();
    /// # let x = tape.var([1.0, 2.0, 3.0]);
    /// let program = Program::new(&tape, &[x], &[x * x.sin()]);
    /// assert!(program.to_svg().contains("[sin mul]"));
    /// ```
    pub fn to_svg(&self) -> String {
        self.plan.scene().svg()
    }

    /// The steps as a self-contained page of HTML; a click on a step shows its source line.
    ///
    /// ```
    /// # use autograd::{Program, Tape};
    /// # let tape = Tape::<f64>::new();
    /// # let x = tape.var([1.0, 2.0, 3.0]);
    /// let program = Program::new(&tape, &[x], &[x.softmax(0)]);
    /// assert!(program.to_html().contains("softmax"));
    /// ```
    pub fn to_html(&self) -> String {
        self.plan.scene().html("program")
    }
}

impl Plan {
    /// The steps as a graph: inputs and constants, then each step with the results that it reads.
    fn scene(&self) -> Scene {
        let mut scene = Scene::default();
        // The node of the value in each slot.
        let mut of_slot: Vec<Option<usize>> = vec![None; self.homes.len()];
        for (k, &slot) in self.inputs.iter().enumerate() {
            of_slot[slot as usize] = Some(scene.nodes.len());
            scene.nodes.push(Node { kind: Kind::Variable, name: format!("input {k}"), ..Node::default() });
        }
        for (k, step) in self.steps.iter().enumerate() {
            for &slot in &step.inputs {
                if of_slot[slot as usize].is_none() && self.constants.iter().any(|&(constant, _)| constant == slot) {
                    of_slot[slot as usize] = Some(scene.nodes.len());
                    scene.nodes.push(Node { kind: Kind::Constant, name: "constant".to_owned(), ..Node::default() });
                }
            }
            let mut links: Vec<Link> = Vec::new();
            for slot in &step.inputs {
                let from = of_slot[*slot as usize];
                if let Some(at) = from.filter(|_| links.iter().all(|link| link.from != from)) {
                    links.push(Link { from, name: scene.nodes[at].name.clone(), ..Link::default() });
                }
            }
            let returned = step.outs.iter().any(|out| self.outputs.contains(&out.slot));
            step.outs.iter().for_each(|out| of_slot[out.slot as usize] = Some(scene.nodes.len()));
            scene.nodes.push(Node {
                kind: if returned { Kind::Output } else { Kind::Computed },
                name: k.to_string(),
                formula: step.work.to_string(),
                results: step.outs.iter().map(Out::to_string).collect::<Vec<_>>().join(", "),
                line: format!("{}:{}", step.line.file(), step.line.line()),
                links,
                ..Node::default()
            });
        }
        scene
    }

    /// Prints the plan for numbers of `width` bytes.
    fn print(&self, width: usize, f: &mut Formatter) -> fmt::Result {
        for (k, step) in self.steps.iter().enumerate() {
            write!(f, "{k:>3}  {}", step.work)?;
            for out in &step.outs {
                write!(f, "  {out}")?;
            }
            writeln!(f, "  {}:{}", step.line.file(), step.line.line())?;
        }
        let bytes = self.blocks.iter().sum::<usize>() * width;
        writeln!(f, "{} steps, {} blocks, {bytes} bytes", self.steps.len(), self.blocks.len())
    }
}

/// The shape of a result and where it is written.
impl Display for Out {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{:?}", self.shape.as_slice())?;
        match self.memory {
            Memory::Block(b) => write!(f, " in block {b}"),
            Memory::Over(_) => write!(f, " in place"),
            Memory::Own | Memory::Integers => Ok(()),
        }
    }
}

impl Display for Work {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let list = |fused: &Fused| fused.names().collect::<Vec<_>>().join(" ");
        match self {
            Work::View(op) => write!(f, "view {}", op.name()),
            Work::Op { op, .. } => write!(f, "{}", op.name()),
            Work::Integers(from) => write!(f, "{}", from.name()),
            Work::Custom(rule) => write!(f, "custom op {rule}"),
            Work::Fused(fused) => write!(f, "[{}]", list(fused)),
            Work::Product { keep, fused, .. } => {
                write!(f, "matmul{}", if keep.is_some() { " onto" } else { "" })?;
                fused.iter().try_for_each(|fused| write!(f, " [{}]", list(fused)))
            }
            Work::Scalars { scalars, .. } => {
                let [written, run] = scalars.len();
                write!(f, "{run} numbers, {written} instructions")
            }
        }
    }
}
