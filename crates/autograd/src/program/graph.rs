//! A computation as data: the nodes that the outputs of a program need, each after its inputs. A graph holds no numbers,
//! so nothing here or in the passes depends on the number type; the elements of constants are in a table of their own
//! (`constants`). It knows the ops, but not how they are grouped or run.

use crate::op::{Binary, Op, Unary};
use crate::tape::Inputs;
use crate::tensor::{Shape, Strides};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::panic::Location;

/// The user's line that recorded a node.
pub(super) type Line = &'static Location<'static>;

/// How the value of a node is defined.
#[derive(Clone, Debug)]
pub(super) enum Def {
    /// An input, whose value is passed to each run.
    Input,
    /// The constant of this number, the same in every run.
    Const(u32),
    Unary(Unary),
    Binary(Binary),
    /// Any other op; boxed, since most nodes of a long program are unary or binary.
    Op(Box<Op>),
}

impl Def {
    /// The definition by an op that is neither a leaf nor a constant.
    pub(super) fn of(op: Op) -> Def {
        match op {
            Op::Unary(u) => Def::Unary(u),
            Op::Binary(b) => Def::Binary(b),
            op => Def::Op(Box::new(op)),
        }
    }

    /// Whether it is neither an input nor a constant.
    pub(super) fn is_computed(&self) -> bool {
        !matches!(self, Def::Input | Def::Const(_))
    }
}

/// One value, and how it is defined.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) def: Def,
    pub(super) inputs: Inputs,
    /// The number of its shape.
    pub(super) shape: u32,
    pub(super) line: Line,
}

/// What is known about a constant without its elements.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub(super) shape: Shape,
    pub(super) strides: Strides,
    /// The value that all elements share, if that is cheap to see: one element, or all strides 0.
    pub(super) uniform: Option<f64>,
}

/// Shapes, each of which is stored once and numbered.
#[derive(Default)]
pub(super) struct Shapes {
    list: Vec<Shape>,
    numbers: HashMap<Shape, u32>,
}

impl Shapes {
    pub(super) fn number(&mut self, shape: &[usize]) -> u32 {
        let shape = Shape::from(shape);
        if let Some(&number) = self.numbers.get(&shape) {
            return number;
        }
        let number = self.list.len() as u32;
        self.list.push(shape.clone());
        self.numbers.insert(shape, number);
        number
    }

    pub(super) fn get(&self, number: u32) -> &Shape {
        &self.list[number as usize]
    }

    pub(super) fn has(&self, number: u32) -> bool {
        (number as usize) < self.list.len()
    }
}

/// The nodes, with the inputs and outputs of the program.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) shapes: Shapes,
    pub(super) constants: Vec<Constant>,
    /// The node of each input.
    pub(super) inputs: Vec<u32>,
    /// The node of each output.
    pub(super) outputs: Vec<u32>,
    /// The node of each integer input.
    pub(super) integers: Vec<u32>,
    /// Nodes whose values stay in memory until their last reader, even if recomputing them would save memory.
    pub(super) kept: Vec<u32>,
}

impl Graph {
    pub(super) fn add(&mut self, def: Def, inputs: Inputs, shape: &[usize], line: Line) -> u32 {
        let shape = self.shapes.number(shape);
        self.nodes.push(Node { def, inputs, shape, line });
        self.nodes.len() as u32 - 1
    }

    pub(super) fn ids(&self) -> std::ops::Range<u32> {
        0..self.nodes.len() as u32
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    #[inline]
    pub(super) fn inputs(&self, id: u32) -> &[u32] {
        &self.nodes[id as usize].inputs
    }

    #[inline]
    pub(super) fn shape(&self, id: u32) -> &Shape {
        self.shapes.get(self.node(id).shape)
    }

    pub(super) fn same_shape(&self, a: u32, b: u32) -> bool {
        self.nodes[a as usize].shape == self.nodes[b as usize].shape
    }

    /// Number of elements of a node.
    #[inline]
    pub(super) fn size(&self, id: u32) -> usize {
        self.shape(id).iter().product()
    }

    /// Whether a node has a single element.
    pub(super) fn is_number(&self, id: u32) -> bool {
        self.shape(id).iter().all(|&d| d == 1)
    }

    /// Whether a node is elementwise.
    pub(super) fn is_elementwise(&self, id: u32) -> bool {
        match &self.node(id).def {
            Def::Unary(_) | Def::Binary(_) => true,
            Def::Op(op) => matches!(**op, Op::Select),
            Def::Input | Def::Const(_) => false,
        }
    }

    pub(super) fn constant(&self, id: u32) -> Option<&Constant> {
        match self.node(id).def {
            Def::Const(number) => Some(&self.constants[number as usize]),
            _ => None,
        }
    }

    /// Whether the node is the same in every run.
    pub(super) fn is_const(&self, id: u32) -> bool {
        matches!(self.node(id).def, Def::Const(_))
    }

    /// The value that all elements of a constant share, if that is known.
    pub(super) fn uniform(&self, id: u32) -> Option<f64> {
        self.constant(id)?.uniform
    }

    /// The op of a node that is neither elementwise of one or two operands, nor an input, nor a constant.
    pub(super) fn structured(&self, id: u32) -> Option<&Op> {
        match &self.node(id).def {
            Def::Op(op) => Some(op),
            _ => None,
        }
    }

    /// The op of a computed node.
    pub(super) fn op(&self, id: u32) -> Option<Op> {
        match &self.node(id).def {
            Def::Input | Def::Const(_) => None,
            Def::Unary(u) => Some(Op::Unary(*u)),
            Def::Binary(b) => Some(Op::Binary(*b)),
            Def::Op(op) => Some((**op).clone()),
        }
    }

    /// The shapes of a node's inputs.
    pub(super) fn input_shapes<'g>(&'g self, inputs: &[u32]) -> Vec<&'g [usize]> {
        let mut shapes = Vec::with_capacity(inputs.len());
        for &input in inputs {
            shapes.push(self.shape(input).as_slice());
        }
        shapes
    }
}

/// Prints one node per line: its number, its op, its inputs, and its shape.
impl Display for Graph {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let list = |ids: &[u32]| ids.iter().map(|id| format!(" %{id}")).collect::<String>();
        for (id, node) in self.nodes.iter().enumerate() {
            let name = match &node.def {
                Def::Input => "input",
                Def::Const(_) => "constant",
                Def::Unary(u) => u.name(),
                Def::Binary(b) => b.name(),
                Def::Op(op) => op.name(),
            };
            let x = self.uniform(id as u32).map_or(String::new(), |x| format!(" {x}"));
            writeln!(f, "%{id} = {name}{x}{}  {:?}", list(&node.inputs), self.shape(id as u32).as_slice())?;
        }
        writeln!(f, "outputs{}", list(&self.outputs))
    }
}
