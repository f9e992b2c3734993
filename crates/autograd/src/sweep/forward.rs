//! The forward sweep: pushes tangents along the list in the order of recording. It uses the same derivative table as
//! the reverse sweep, since elementwise Jacobians are diagonal, and the forward rules of structured ops. One direction
//! costs one pass, regardless of the number of outputs.

use super::source::{Mark, reaching};
#[cfg(feature = "linalg")]
use super::ties;
use super::{Gradients, Swept};
use crate::error::{Error, Result, or_panic};
use crate::float::once;
use crate::float::{Few, Float};
use crate::op::{Op, Side};
use crate::rules::jvp;
use crate::tape::Var;
use crate::tape::{Code, List};
use crate::tensor::Tensor;
use crate::value::Value;
use smallvec::SmallVec;

impl<'t, T: Float> Var<'t, T> {
    /// The Jacobian-vector product: how this value changes when each `x` moves along its tangent.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let y = x * x;
    /// assert_eq!(y.jvp(&[(x, autograd::tensor![1.0, 0.5])]).to_vec(), [2.0, 2.0]);
    /// ```
    /// # Panics
    /// Panics if a tangent does not have the shape of its variable, or a `Var` belongs to another tape;
    /// [`try_jvp`](Var::try_jvp) returns the error instead.
    #[track_caller]
    pub fn jvp(self, directions: &[(Var<'t, T>, Tensor<T>)]) -> Tensor<T> {
        or_panic(self.try_jvp(directions))
    }

    /// The Jacobian-vector product, or an error.
    pub fn try_jvp(self, directions: &[(Var<'t, T>, Tensor<T>)]) -> Result<Tensor<T>> {
        self.check_computed("jvp")?;
        computed(self, directions)
    }

    /// The Jacobian-vector product, recorded, so that it can be differentiated again in forward or reverse mode.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let (x, t) = (tape.var(2.0), tape.constant(1.0));
    /// let slope = (x * x * x).jvp_recorded(&[(x, t)]); // 3x²
    /// assert_eq!((slope.item(), slope.backward().wrt(x).item()), (12.0, 12.0));
    /// ```
    /// # Panics
    /// Same as [`jvp`](Var::jvp).
    #[track_caller]
    pub fn jvp_recorded(self, directions: &[(Var<'t, T>, Var<'t, T>)]) -> Var<'t, T> {
        or_panic(self.try_jvp_recorded(directions))
    }

    /// Like [`jvp_recorded`](Var::jvp_recorded), but returns the error.
    #[track_caller]
    pub fn try_jvp_recorded(self, directions: &[(Var<'t, T>, Var<'t, T>)]) -> Result<Self> {
        let slope = recorded("jvp", self, directions)?;
        Ok(slope.unwrap_or_else(|| self.tape.constant(Tensor::zeros(&self.shape()))))
    }

    /// The Hessian-vector product: how the gradient of this scalar changes when each `x` moves along its direction.
    ///
    /// Returns one tensor per direction, of its shape; the Hessian is never formed. The directional derivative is
    /// recorded in forward mode and differentiated in reverse mode (reverse over forward), at the cost of a few
    /// gradients; through eigenvalues and singular values, it is recorded in reverse mode, since only that derivative
    /// exists where some of them coincide. The nodes recorded for it are then removed from the tape.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let y = (x * x * x).sum(); // its Hessian is diagonal, 6x
    /// assert_eq!(y.hvp(&[(x, autograd::tensor![1.0, 0.5])])[0].to_vec(), [6.0, 6.0]);
    /// let (value, gradient) = (y.item(), y.backward().wrt(x)); // the value and the gradient as well
    /// # assert_eq!((value, gradient.to_vec()), (9.0, vec![3.0, 12.0]));
    /// ```
    /// # Panics
    /// Panics if this does not have exactly one element, a direction does not have the shape of its variable, or a
    /// `Var` belongs to another tape; [`try_hvp`](Var::try_hvp) returns the error instead.
    #[track_caller]
    pub fn hvp(self, directions: &[(Var<'t, T>, Tensor<T>)]) -> Vec<Tensor<T>> {
        or_panic(self.try_hvp(directions))
    }

    /// The Hessian-vector product, or an error.
    #[track_caller]
    pub fn try_hvp(self, directions: &[(Var<'t, T>, Tensor<T>)]) -> Result<Vec<Tensor<T>>> {
        self.check_computed("hvp")?;
        let seed = self.unit_seed("hvp")?;
        check("hvp", self, directions)?;
        let before = self.tape.extent();
        let recorded: Vec<_> = directions.iter().map(|(x, t)| (*x, self.tape.constant(t.clone()))).collect();
        let x: Vec<Var<T>> = directions.iter().map(|(x, _)| *x).collect();
        let products = slope(self, &recorded).map(|slope| {
            let gradients = slope.map_or_else(Gradients::default, |slope| slope.reverse(seed, Some(&x)));
            let product = |x: &Var<T>| gradients.find(x.id).cloned().unwrap_or_else(|| Tensor::zeros(&x.shape()));
            x.iter().map(product).collect()
        });
        self.tape.rewind(before);
        products
    }
}

/// The derivative of a scalar along the directions, recorded. It is recorded from the gradient if `root` depends on the
/// values of a decomposition: where some coincide, the gradient has a derivative but a tangent does not.
fn slope<'t, T: Float>(root: Var<'t, T>, directions: &[(Var<'t, T>, Var<'t, T>)]) -> Result<Option<Var<'t, T>>> {
    #[cfg(feature = "linalg")]
    if ties::passes_decomposition(root, directions) {
        return Ok(ties::slope(root, directions));
    }
    recorded("hvp", root, directions)
}

once! {
    /// The tangent of `root`, as a tensor.
    fn computed<'t, T>(root: Var<'t, T>, directions: &[(Var<'t, T>, Tensor<T>)]) -> Result<Tensor<T>> {
        #[cfg(feature = "linalg")]
        {
            let x: Vec<Var<T>> = directions.iter().map(|(x, _)| *x).collect();
            check("jvp", root, directions)?;
            if ties::meets(root, Some(&x)) {
                return Ok(ties::tangent(root, directions));
            }
        }
        Ok(push("jvp", root, directions, Var::value)?.unwrap_or_else(|| Tensor::zeros(&root.shape())))
    }

    /// The tangent of `root`, as a variable; `None` if it depends on none of the directions.
    pub(super) fn recorded<'t, T>(
        op: &'static str,
        root: Var<'t, T>,
        directions: &[(Var<'t, T>, Var<'t, T>)],
    ) -> Result<Option<Var<'t, T>>> {
        push(op, root, directions, |x| x)
    }
}

/// The tangent of `root`; `None` if it depends on none of the variables. `at` reads a node as a value of the tangents'
/// type.
fn push<'t, T: Float, V: Swept<T>>(
    op: &'static str,
    root: Var<'t, T>,
    directions: &[(Var<'t, T>, V)],
    at: impl Fn(Var<'t, T>) -> V,
) -> Result<Option<V>> {
    let mut dots: Vec<Option<V>> = vec![None; root.id as usize + 1];
    let mut variables: SmallVec<[Var<T>; 16]> = SmallVec::new();
    check(op, root, directions)?;
    for (x, t) in directions {
        if x.id <= root.id {
            dots[x.id as usize] = Some(t.clone());
            variables.push(*x);
        }
    }
    let marks = between(&root.tape.list(), root.id, &variables);
    let lines = root.tape.attribute();
    for id in (0..=root.id).filter(|&id| marks[id as usize] != Mark::Skip) {
        if dots[id as usize].is_none() {
            lines.to(id);
            dots[id as usize] = tangent(Var { id, ..root }, &dots, &at)?;
        }
    }
    Ok(dots[root.id as usize].take())
}

/// Returns an error if a tangent does not have the shape of its variable, or a variable belongs to another tape.
fn check<'t, T: Float, V: Value<T>>(op: &'static str, root: Var<'t, T>, directions: &[(Var<'t, T>, V)]) -> Result<()> {
    for (x, t) in directions {
        if !std::ptr::eq(x.tape, root.tape) {
            return Err(Error::Foreign { op });
        }
        if t.shape() != x.shape() {
            let hint = format!("the tangent must have the shape of its variable, {:?}", x.shape());
            return Err(Error::Shape { op, shape: t.shape().as_slice().into(), hint });
        }
    }
    Ok(())
}

/// Marks the nodes that depend on one of `x` and that `root` depends on.
pub(super) fn between<T: Float>(list: &List<T>, root: u32, x: &[Var<'_, T>]) -> Vec<Mark> {
    let mut marks = reaching(list, root, x);
    let mut leads = vec![false; root as usize + 1];
    leads[root as usize] = true;
    for id in (0..=root).rev() {
        if !leads[id as usize] {
            marks[id as usize] = Mark::Skip;
        } else if marks[id as usize] == Mark::Passes {
            list.inputs(id).iter().for_each(|&i| leads[i as usize] = true);
        }
    }
    marks
}

/// The tangent of one node, given those of all earlier nodes.
fn tangent<'t, T: Float, V: Swept<T>>(
    node: Var<'t, T>,
    dots: &[Option<V>],
    at: &impl Fn(Var<'t, T>) -> V,
) -> Result<Option<V>> {
    let y = at(node);
    let inputs = node.inputs();
    let x: SmallVec<[V; 16]> = inputs.iter().map(|&v| at(v)).few();
    let x: SmallVec<[&V; 16]> = x.iter().few();
    let t: SmallVec<[Option<&V>; 4]> = inputs.iter().map(|v| dots[v.id as usize].as_ref()).few();
    let code = node.tape.list().node(node.id).0;
    Ok(match code {
        Code::Leaf | Code::Const => None,
        Code::Unary(op) => t[0].map(|t| V::unary_rule(op, x[0], &y, t)),
        Code::Binary(op) => {
            let side = |side, i: usize| t[i].map(|t| V::binary_rule(op, side, [x[0], x[1], &y, t]));
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

#[cfg(test)]
mod tests {
    use crate::{Error, Tape, Tensor, Var, tensor};

    /// Rosenbrock's function.
    fn rosenbrock<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let (a, b) = (x.slice(0, ..-1), x.slice(0, 1..));
        ((b - a.square()).square() * 100.0 + (1.0_f64 - a).square()).sum()
    }

    #[test]
    fn a_hessian_times_a_vector() {
        let (at, v) = ([-1.2, 1.0, 0.3, 0.7], [0.5, -2.0, 1.5, 0.25]);
        let mut expected = [0.0; 4];
        for i in 0..3 {
            let diagonal = 1200.0 * at[i] * at[i] - 400.0 * at[i + 1] + 2.0;
            expected[i] += diagonal * v[i] - 400.0 * at[i] * v[i + 1];
            expected[i + 1] += 200.0 * v[i + 1] - 400.0 * at[i] * v[i];
        }
        let tape = Tape::new();
        let (x, unrelated) = (tape.var(at), tape.var([1.0, 2.0]));
        let y = rosenbrock(x);
        let (nodes, gradient) = (tape.len(), y.backward().wrt(x));
        let products = y.hvp(&[(x, Tensor::from(v)), (unrelated, tensor![1.0, 1.0])]);
        assert!(products[0].iter().zip(expected).all(|(h, e)| (h - e).abs() < 1e-11), "{} {expected:?}", products[0]);
        assert_eq!(products[1], tensor![0.0, 0.0]);
        // The tape is unchanged and can be extended.
        assert_eq!((tape.len(), y.backward().wrt(x)), (nodes, gradient));
        assert_eq!((y * 2.0).hvp(&[(x, Tensor::from(v))])[0], &products[0] * 2.0);
    }

    #[test]
    fn directions_that_do_not_fit_are_errors_and_leave_no_trace() {
        let (tape, other) = (Tape::<f64>::new(), Tape::new());
        let x = tape.var([1.0, 2.0]);
        let (y, nodes) = (x.square().sum(), 3);
        let z = other.var([1.0, 2.0]);
        assert!(matches!(y.try_hvp(&[(x, tensor![1.0])]), Err(Error::Shape { op: "hvp", .. })));
        assert!(matches!(x.try_hvp(&[(x, tensor![1.0, 1.0])]), Err(Error::NotScalar { op: "hvp", .. })));
        assert!(matches!(y.try_hvp(&[(z, tensor![1.0, 1.0])]), Err(Error::Foreign { op: "hvp" })));
        assert_eq!(tape.len(), nodes);
    }

    #[test]
    fn tangents_take_no_detours() {
        let tape = Tape::<f64>::new();
        let x = tape.var(0.5);
        let y = x.sin();
        (0..100).fold(x, |x, _| x.exp()); // depends on x, but y does not depend on it
        let (z, before) = (y * y, tape.len());
        z.jvp_recorded(&[(x, tape.constant(1.0))]);
        assert!(tape.len() - before < 20, "{} nodes for the tangent of three", tape.len() - before);
    }
}
