//! The equations of recurrent cells: a step from one state to the next, and the backward step of its derivative. Each is
//! written once over [`Real`]: the kernel evaluates it on numbers, and the rules for further derivatives on variables.

use crate::float::{E, Real};

/// The kind of a recurrent layer: how a step computes the next state from the input and the state before.
///
/// ```
/// use autograd::op::Cell;
/// assert_eq!((Cell::Gru.gates(), Cell::Lstm.gates()), (3, 4)); // blocks of rows in the weights
/// assert_eq!((Cell::Gru.states(), Cell::Lstm.states()), (1, 2)); // h, or h and c
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell {
    /// h ← tanh(z + s), where z and s are the contributions of the input and of the state (Elman, 1990).
    Tanh,
    /// h ← max(z + s, 0)
    Relu,
    /// A gated recurrent unit, with gates in the order reset, update, new (Cho et al., 2014, in cuDNN's variant).
    Gru,
    /// Long short-term memory, with gates in the order input, forget, cell, output (Hochreiter and Schmidhuber, 1997).
    Lstm,
}

/// The equations of a cell with `G` gates, `A` arguments, `N` states and `K` other values that the backward step reads.
///
/// An argument is what a gate reads of the contributions `z` of the input and `s` of the state: their sum, or each
/// separately. The contribution of the input is always (in) the argument with the number of the gate.
pub(crate) trait Equations<const G: usize, const A: usize, const N: usize, const K: usize> {
    /// For each gate, the argument that the contribution of the state is (in).
    const OF_STATE: [usize; G];

    /// The states after a step, and the values that the backward step reads.
    fn step<S: Real>(z: [E<S>; G], s: [E<S>; G], before: [E<S>; N]) -> ([E<S>; N], [E<S>; K]);

    /// From the cotangents of the states after a step, computes those of its arguments, and those of the states before it
    /// except for the part that flows through their contribution.
    fn back<S: Real>(
        after_bar: [E<S>; N],
        before: [E<S>; N],
        after: [E<S>; N],
        kept: [E<S>; K],
    ) -> ([E<S>; A], [E<S>; N]);
}

pub(crate) struct Tanh;
pub(crate) struct Relu;
pub(crate) struct Gru;
pub(crate) struct Lstm;

impl Equations<1, 1, 1, 0> for Tanh {
    const OF_STATE: [usize; 1] = [0];

    #[inline(always)]
    fn step<S: Real>([z]: [E<S>; 1], [s]: [E<S>; 1], _: [E<S>; 1]) -> ([E<S>; 1], [E<S>; 0]) {
        ([(z + s).tanh()], [])
    }

    #[inline(always)]
    fn back<S: Real>([g]: [E<S>; 1], _: [E<S>; 1], [h]: [E<S>; 1], []: [E<S>; 0]) -> ([E<S>; 1], [E<S>; 1]) {
        ([g * (1.0 - h * h)], [h.lit(0.0)])
    }
}

impl Equations<1, 1, 1, 0> for Relu {
    const OF_STATE: [usize; 1] = [0];

    #[inline(always)]
    fn step<S: Real>([z]: [E<S>; 1], [s]: [E<S>; 1], _: [E<S>; 1]) -> ([E<S>; 1], [E<S>; 0]) {
        ([(z + s).max(z.lit(0.0))], [])
    }

    #[inline(always)]
    fn back<S: Real>([g]: [E<S>; 1], _: [E<S>; 1], [h]: [E<S>; 1], []: [E<S>; 0]) -> ([E<S>; 1], [E<S>; 1]) {
        ([g.where_pos(h)], [h.lit(0.0)])
    }
}

/// r, u = σ(z + s), n = tanh(z + r s), h ← n + u (h - n). The gate n has two arguments.
impl Equations<3, 4, 1, 4> for Gru {
    const OF_STATE: [usize; 3] = [0, 1, 3];

    #[inline(always)]
    fn step<S: Real>(z: [E<S>; 3], s: [E<S>; 3], [h]: [E<S>; 1]) -> ([E<S>; 1], [E<S>; 4]) {
        let (r, u) = ((z[0] + s[0]).sigmoid(), (z[1] + s[1]).sigmoid());
        let n = (z[2] + r * s[2]).tanh();
        ([n + u * (h - n)], [r, u, n, s[2]])
    }

    #[inline(always)]
    fn back<S: Real>([g]: [E<S>; 1], [h]: [E<S>; 1], _: [E<S>; 1], [r, u, n, s]: [E<S>; 4]) -> ([E<S>; 4], [E<S>; 1]) {
        let n_bar = g * (1.0 - u) * (1.0 - n * n);
        ([n_bar * s * (r * (1.0 - r)), g * (h - n) * (u * (1.0 - u)), n_bar, n_bar * r], [g * u])
    }
}

/// i, f, o = σ(z + s), g = tanh(z + s), c ← f c + i g, h ← o tanh c
impl Equations<4, 4, 2, 4> for Lstm {
    const OF_STATE: [usize; 4] = [0, 1, 2, 3];

    #[inline(always)]
    fn step<S: Real>(z: [E<S>; 4], s: [E<S>; 4], [_, c]: [E<S>; 2]) -> ([E<S>; 2], [E<S>; 4]) {
        let (i, f) = ((z[0] + s[0]).sigmoid(), (z[1] + s[1]).sigmoid());
        let (g, o) = ((z[2] + s[2]).tanh(), (z[3] + s[3]).sigmoid());
        let c = f * c + i * g;
        ([o * c.tanh(), c], [i, f, g, o])
    }

    #[inline(always)]
    fn back<S: Real>(
        [h_bar, c_bar]: [E<S>; 2],
        [_, before]: [E<S>; 2],
        [_, c]: [E<S>; 2],
        [i, f, g, o]: [E<S>; 4],
    ) -> ([E<S>; 4], [E<S>; 2]) {
        let shown = c.tanh();
        let c_bar = c_bar + h_bar * o * (1.0 - shown * shown);
        let i_bar = c_bar * g * (i * (1.0 - i));
        let f_bar = c_bar * before * (f * (1.0 - f));
        let g_bar = c_bar * i * (1.0 - g * g);
        let o_bar = h_bar * shown * (o * (1.0 - o));
        ([i_bar, f_bar, g_bar, o_bar], [c.lit(0.0), c_bar * f])
    }
}

/// Evaluates an expression with names for the equations of a cell and for their parameters.
macro_rules! with_equations {
    ($cell:expr, |$C:ident, $G:ident, $A:ident, $N:ident, $K:ident| $value:expr) => {
        with_equations!(@ $cell, $C, $G, $A, $N, $K, $value; Tanh 1 1 1 0, Relu 1 1 1 0, Gru 3 4 1 4, Lstm 4 4 2 4)
    };
    (@ $cell:expr, $C:ident, $G:ident, $A:ident, $N:ident, $K:ident, $value:expr;
        $($Cell:ident $g:literal $a:literal $n:literal $k:literal),*) => {
        match $cell {
            $($crate::kernel::recurrent::Cell::$Cell => {
                #[allow(dead_code, reason = "not every expression uses all of the names")]
                type $C = $crate::kernel::recurrent::cell::$Cell;
                #[allow(dead_code, reason = "as above")]
                const $G: usize = $g;
                #[allow(dead_code, reason = "as above")]
                const $A: usize = $a;
                #[allow(dead_code, reason = "as above")]
                const $N: usize = $n;
                #[allow(dead_code, reason = "as above")]
                const $K: usize = $k;
                $value
            })*
        }
    };
}
pub(crate) use with_equations;

impl Cell {
    /// All kinds.
    pub const ALL: &'static [Cell] = &[Cell::Tanh, Cell::Relu, Cell::Gru, Cell::Lstm];

    /// The name, as in the methods of other libraries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Cell::Tanh | Cell::Relu => "rnn",
            Cell::Gru => "gru",
            Cell::Lstm => "lstm",
        }
    }

    /// The number of gates: of blocks of rows in the weights.
    pub fn gates(self) -> usize {
        with_equations!(self, |C, G, A, N, K| G)
    }

    /// The number of parts of a state, the first of which is the output.
    pub fn states(self) -> usize {
        with_equations!(self, |C, G, A, N, K| N)
    }

    /// The number of arguments of a step.
    pub(crate) fn arguments(self) -> usize {
        with_equations!(self, |C, G, A, N, K| A)
    }

    /// The number of values that a step stores for the backward step, its states first.
    pub(crate) fn planes(self) -> usize {
        with_equations!(self, |C, G, A, N, K| N + K)
    }

    /// For each gate, the argument that the contribution of the state is (in).
    pub(crate) fn of_state(self) -> &'static [usize] {
        with_equations!(self, |C, G, A, N, K| &<C as Equations<G, A, N, K>>::OF_STATE)
    }
}
