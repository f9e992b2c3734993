//! Computations as pictures. A [`Scene`] describes a graph of values, optionally with numbers and rules, as plain data:
//! texts and `f64`. Mermaid, DOT, SVG and HTML are all generated from this description, with our own layout. This room knows
//! neither tensors nor tapes, so nothing in it depends on the number type.

mod dot;
pub(crate) mod fold;
mod html;
mod layout;
mod mermaid;
pub(crate) mod numbers;
mod svg;
pub(crate) mod text;

pub(crate) use numbers::Numbers;

/// The indices that sort the keys, in ascending order; the sort is stable. This is the only sort in this room and in
/// `explain`, since each further one would be compiled separately.
pub(crate) fn ranked(keys: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..keys.len()).collect();
    places.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    places
}

/// A graph to be drawn. Every node comes after its inputs.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    pub(crate) nodes: Vec<Node>,
    /// The groups, each after the one that contains it.
    pub(crate) groups: Vec<Group>,
    /// Whether the backward pass is part of the picture.
    pub(crate) backward: bool,
    /// The name of the value that the backward pass starts from.
    pub(crate) output: String,
}

/// A box around nodes: a layer, or a block that repeats.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) parent: Option<usize>,
}

/// The role of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Kind {
    Variable,
    Constant,
    #[default]
    Computed,
    /// The subject of the picture: the node that the backward pass starts from, or the output of a program.
    Output,
}

/// A value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Its name, or its number on the tape.
    pub(crate) name: String,
    /// How it is computed; empty for variables and constants.
    pub(crate) formula: String,
    pub(crate) shape: Vec<usize>,
    /// The numbers, if requested.
    pub(crate) value: Option<Numbers>,
    /// The cotangent that arrives in the backward pass, if any.
    pub(crate) cotangent: Option<Numbers>,
    /// For a step of a program, in place of shape and value: the shapes of its results and where they are written.
    pub(crate) results: String,
    /// The source line.
    pub(crate) line: String,
    pub(crate) group: Option<usize>,
    pub(crate) links: Vec<Link>,
}

/// An edge to an input of a node, and what flows back along it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// The index of the input among the nodes; `None` if the input is not drawn, such as a number in the formula.
    pub(crate) from: Option<usize>,
    /// The name of the input.
    pub(crate) name: String,
    /// What the input receives, as mathematics; empty if nothing flows.
    pub(crate) rule: String,
    /// The derivative with respect to the input, as mathematics; empty if it is not a number for each element.
    pub(crate) slope: String,
    /// The derivative's numbers.
    pub(crate) local: Option<Numbers>,
    /// What the input receives.
    pub(crate) passes: Option<Numbers>,
}

impl Node {
    /// Its name and how it is computed.
    pub(crate) fn title(&self) -> String {
        match (self.formula.is_empty(), self.results.is_empty()) {
            (true, _) => self.name.clone(),
            (false, true) => format!("{} = {}", self.name, self.formula),
            (false, false) => format!("{}: {}", self.name, self.formula),
        }
    }

    /// The maximum length of a line in its box: more for a step of a program, whose name lists its ops.
    fn widest(&self) -> usize {
        if self.results.is_empty() { 34 } else { 64 }
    }

    /// Its value, or else its shape.
    pub(crate) fn caption(&self) -> String {
        match &self.value {
            Some(value) if value.len > Numbers::SHOWN => {
                format!("{:?}  {value}", self.shape)
            }
            Some(value) => value.to_string(),
            None if self.shape.is_empty() => self.results.clone(),
            None => format!("{:?}", self.shape),
        }
    }
}

impl Scene {
    /// The name of a node's cotangent.
    pub(crate) fn derivative(&self, node: &Node) -> String {
        format!("d{}/d{}", self.output, node.name)
    }

    /// The drawn edges: the node, which of its links, and the input.
    fn edges(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        self.nodes
            .iter()
            .enumerate()
            .flat_map(|(to, node)| node.links.iter().enumerate().filter_map(move |(k, link)| Some((to, k, link.from?))))
    }

    /// Mermaid, which GitHub and many editors draw.
    pub(crate) fn mermaid(&self) -> String {
        mermaid::write(self)
    }

    /// Graphviz's language.
    pub(crate) fn dot(&self) -> String {
        dot::write(self)
    }

    /// A complete SVG document.
    pub(crate) fn svg(&self) -> String {
        svg::write(self)
    }

    /// A self-contained page.
    pub(crate) fn html(&self, title: &str) -> String {
        html::write(self, title)
    }
}
