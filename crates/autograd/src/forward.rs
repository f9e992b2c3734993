//! The forward sweep: tangents pushed along the list in the order it was recorded, with the same rows of the table
//! (their Jacobians are diagonal) and the forward rules of structured ops. Costs one pass for one direction, whatever
//! the number of outputs.

use crate::backward::reaching;
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::op::jvp::jvp;
use crate::op::{Op, Side};
use crate::tape::Code;
use crate::tensor::Tensor;
use crate::value::Value;
use crate::var::Var;
use smallvec::SmallVec;

impl<'t, T: Float> Var<'t, T> {
    /// The Jacobian-vector product: how this value moves when each `x` moves along its tangent.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let y = x * x;
    /// assert_eq!(y.jvp(&[(x, autograd::tensor![1.0, 0.5])]).to_vec(), [2.0, 2.0]);
    /// ```
    /// # Panics
    /// If a tangent has another shape than its variable, or a `Var` is of another tape;
    /// [`try_jvp`](Var::try_jvp) returns the error.
    #[track_caller]
    pub fn jvp(self, directions: &[(Var<'t, T>, Tensor<T>)]) -> Tensor<T> {
        or_panic(self.try_jvp(directions))
    }

    /// The Jacobian-vector product, or an error.
    pub fn try_jvp(self, directions: &[(Var<'t, T>, Tensor<T>)]) -> Result<Tensor<T>> {
        let tangent = push(self, directions, Var::value)?;
        Ok(tangent.unwrap_or_else(|| Tensor::zeros(&self.shape())))
    }

    /// The Jacobian-vector product, recorded: it can be differentiated again, forwards or backwards.
    ///
    /// # Panics
    /// As [`jvp`](Var::jvp).
    #[track_caller]
    pub fn jvp_recorded(self, directions: &[(Var<'t, T>, Var<'t, T>)]) -> Var<'t, T> {
        let tangent = or_panic(push(self, directions, |x| x));
        tangent.unwrap_or_else(|| self.tape.constant(Tensor::zeros(&self.shape())))
    }
}

/// The tangent of `root`; `None` if it depends on none of the directions. `at` reads a node as the kind of value the
/// tangents are.
fn push<'t, T: Float, V: Value<T>>(
    root: Var<'t, T>,
    directions: &[(Var<'t, T>, V)],
    at: impl Fn(Var<'t, T>) -> V,
) -> Result<Option<V>> {
    let mut dots: Vec<Option<V>> = vec![None; root.id as usize + 1];
    let mut variables: SmallVec<[Var<T>; 4]> = SmallVec::new();
    for (x, t) in directions {
        if !std::ptr::eq(x.tape, root.tape) {
            return Err(Error::Foreign { op: "jvp" });
        }
        if t.shape() != x.shape() {
            let hint = format!("the tangent must have the shape of its variable, {:?}", x.shape());
            return Err(Error::Shape { op: "jvp", shape: t.shape().as_slice().into(), hint });
        }
        if x.id <= root.id {
            dots[x.id as usize] = Some(t.clone());
            variables.push(*x);
        }
    }
    let needed = reaching(&root.tape.list(), root.id, &variables);
    let lines = root.tape.attribute();
    for id in (0..=root.id).filter(|&id| needed[id as usize]) {
        if dots[id as usize].is_none() {
            lines.to(id);
            dots[id as usize] = tangent(Var { id, ..root }, &dots, &at)?;
        }
    }
    Ok(dots[root.id as usize].take())
}

/// The tangent of one node, given those of all before it.
fn tangent<'t, T: Float, V: Value<T>>(
    node: Var<'t, T>,
    dots: &[Option<V>],
    at: &impl Fn(Var<'t, T>) -> V,
) -> Result<Option<V>> {
    let y = at(node);
    let inputs = node.inputs();
    let x: SmallVec<[V; 4]> = inputs.iter().map(|&v| at(v)).collect();
    let x: SmallVec<[&V; 4]> = x.iter().collect();
    let t: SmallVec<[Option<&V>; 4]> = inputs.iter().map(|v| dots[v.id as usize].as_ref()).collect();
    let code = node.tape.list().node(node.id).0;
    Ok(match code {
        Code::Leaf | Code::Const => None,
        Code::Unary(op) => t[0].map(|t| V::unary_rule(op, x[0], &y, t)),
        Code::Binary(op) => {
            let side = |side, i: usize| t[i].map(|t| V::binary_rule(op, side, x[0], x[1], &y, t));
            match (side(Side::A, 0), side(Side::B, 1)) {
                (Some(a), Some(b)) => Some(a.add(&b)),
                (a, b) => a.or(b),
            }
        }
        Code::Structured => match node.op() {
            Op::Custom { id } => {
                let rule = node.tape.list().rule(id).clone();
                V::custom_jvp(&*rule, &x, &y, &t)?
            }
            op => jvp(&op, &x, &y, &t),
        },
    })
}
