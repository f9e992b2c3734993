//! Attention `y = P v`, where the weights `P` are the softmax of the scores `S = scale q kᵀ + mask`. The op, and the op of
//! its cotangents, never store `P`. Everything else is written here with whole matrices: the forward rule, the cotangent
//! of a mask, and second derivatives, which all follow from the tangent `ẏ = Ṗ v + P v̇`.

use super::Cotangents;
use super::rows::add;
use crate::float::{Few, Float, Precision};
use crate::op::{Fold, Op};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;
use smallvec::{SmallVec, smallvec};

/// The inputs of attention.
struct Attention<'x, V> {
    q: &'x V,
    k: &'x V,
    v: &'x V,
    mask: Option<&'x V>,
    scale: f64,
    causal: bool,
    precision: Precision,
}

/// A direction in which the inputs move: q, k, v and the mask.
type Direction<'t, V> = [Option<&'t V>; 4];

/// The cotangents of the inputs.
pub(crate) fn vjp<T: Float, V: Value<T>>(op: &Op, x: &[&V], g: &V, wants: &dyn Fn(usize) -> bool) -> Cotangents<V> {
    let (of, h) = operands(op, x);
    let Some(h) = h else {
        let packed = (wants(0) || wants(1) || wants(2)).then(|| of.cotangents(g));
        let parts = packed.map(|packed| of.parts(&packed));
        let mut bars: Cotangents<V> =
            (0..3).map(|i| parts.as_ref().filter(|_| wants(i)).map(|p| p[i].clone())).collect();
        // P̄ = ḡ vᵀ, and S̄ is the cotangent of the mask, summed over its repeats.
        let mask_bar =
            |mask: &V| softmax_vjp(&of.weights(), &g.matmul_in(of.precision, of.v, false, true)).sum_to(&mask.shape());
        bars.extend(of.mask.map(|mask| wants(3).then(|| mask_bar(mask))));
        return bars;
    };
    // The cotangents of ⟨ḡ, (q̄, k̄, v̄)⟩ = ⟨h, ẏ⟩, where ẏ is the tangent of y along ḡ.
    let [a, b, c] = &of.parts(g);
    let along = [Some(a), Some(b), Some(c), None];
    let mut bars: Cotangents<V> = smallvec![None; x.len()];
    if (0..x.len() - 1).any(wants) {
        let ([q_bar, k_bar, v_bar], s_bar) = of.bend(h, along);
        bars[..3].clone_from_slice(&[Some(q_bar), Some(k_bar), Some(v_bar)]);
        if let Some(mask) = of.mask {
            bars[3] = Some(s_bar.sum_to(&mask.shape()));
        }
    }
    bars[x.len() - 1] = wants(x.len() - 1).then(|| of.tangent(along)).flatten();
    bars
}

/// The tangent of the output.
pub(crate) fn jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], t: &[Option<&V>]) -> Option<V> {
    let (of, h) = operands(op, x);
    let along = [t[0], t[1], t[2], of.mask.and_then(|_| t[3])];
    let Some(h) = h else { return of.tangent(along) };
    // The Hessian of ⟨h, y⟩ is symmetric: times a direction, it is the gradient of the derivative in that direction.
    let of_inputs = along.iter().any(Option::is_some).then(|| of.packed(&of.bend(h, along).0));
    add(of_inputs, t[x.len() - 1].map(|t| of.cotangents(t)))
}

/// The inputs of attention, and for the op of its cotangents also that of the output.
fn operands<'x, V>(op: &Op, x: &[&'x V]) -> (Attention<'x, V>, Option<&'x V>) {
    let (x, h, scale, causal, precision) = match (op, x) {
        (&Op::AttentionVjp { scale, causal, precision }, [x @ .., h]) => (x, Some(*h), scale, causal, precision),
        (&Op::Attention { scale, causal, precision }, x) => (x, None, scale, causal, precision),
        _ => unreachable!("{} is no attention", op.name()),
    };
    (Attention { q: x[0], k: x[1], v: x[2], mask: x.get(3).copied(), scale, causal, precision }, h)
}

/// The cotangent of the scores for that of the weights, and the tangent of the weights for that of the scores.
fn softmax_vjp<T: Float, V: Value<T>>(p: &V, t: &V) -> V {
    V::apply(Op::SoftmaxVjp { axis: p.shape().len() - 1 }, &[p, t])
}

impl<V> Attention<'_, V> {
    /// The weights `P`. A query whose keys are all masked has weights of 0.
    fn weights<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        let mut s = self.q.matmul_in(self.precision, self.k, false, true).scale(self.scale);
        let shape = s.shape();
        let &[.., queries, keys] = shape.as_slice() else { unreachable!("scores are matrices") };
        if self.causal {
            let later = Tensor::from_fn(&[queries, keys], |at| if at[1] > at[0] { -T::INFINITY } else { T::zero() });
            s = s.add(&s.constant(later));
        }
        let last = shape.len() - 1;
        let Some(mask) = self.mask.filter(|_| keys > 0) else { return s.softmax(last) };
        s = s.add(mask);
        let (nothing, zero) = (s.number(-T::INFINITY), s.number(T::zero()));
        let blind = s.reduce(Fold::Max, AxisSet::one(last), true).eq(&nothing);
        blind.select(&zero, &blind.select(&zero, &s).softmax(last))
    }

    /// The tangent of the scores.
    fn tilt<T: Float>(&self, [a, b, _, m]: Direction<'_, V>) -> Option<V>
    where
        V: Value<T>,
    {
        let of_q = a.map(|a| a.matmul_in(self.precision, self.k, false, true));
        let of_k = b.map(|b| self.q.matmul_in(self.precision, b, false, true));
        let product = add(of_q, of_k).map(|sum| sum.scale(self.scale));
        match (product, m) {
            (Some(s), Some(m)) => Some(s.add(m)),
            (None, Some(m)) => Some(m.expand(&self.scores())),
            (s, None) => s,
        }
    }

    /// The shape of the scores.
    fn scores<T: Float>(&self) -> Shape
    where
        V: Value<T>,
    {
        let (mut shape, keys) = (self.q.shape(), self.k.shape());
        let last = shape.len() - 1;
        shape[last] = keys[last - 1];
        shape
    }

    /// `ẏ = Ṗ v + P v̇`
    fn tangent<T: Float>(&self, along: Direction<'_, V>) -> Option<V>
    where
        V: Value<T>,
    {
        let p = self.weights();
        let of_p =
            self.tilt(along).map(|s_dot| softmax_vjp(&p, &s_dot).matmul_in(self.precision, self.v, false, false));
        add(of_p, along[2].map(|v_dot| p.matmul_in(self.precision, v_dot, false, false)))
    }

    /// The gradient of `⟨h, ẏ⟩` with respect to q, k and v, and to the scores.
    fn bend<T: Float>(&self, h: &V, along: Direction<'_, V>) -> ([V; 3], V)
    where
        V: Value<T>,
    {
        let (p, [a, b, c, _]) = (self.weights(), along);
        let last = p.shape().len() - 1;
        // Ṗ = P (Ṡ - Σ P Ṡ) has the cotangent w = h vᵀ, which flows to Ṡ and, beside that of P v̇, to P.
        let w = h.matmul_in(self.precision, self.v, false, true);
        let s_dot = self.tilt(along).unwrap_or_else(|| p.number(T::zero()).expand(&p.shape()));
        let centered = s_dot.sub(&s_dot.mul(&p).sum_axis(last));
        let through = w.mul(&centered).sub(&s_dot.mul(&w.mul(&p).sum_axis(last)));
        let p_bar = c.map_or(through.clone(), |c| through.add(&h.matmul_in(self.precision, c, false, true)));
        let (s_bar, s_dot_bar) = (softmax_vjp(&p, &p_bar), softmax_vjp(&p, &w));
        let q_bar = add(
            Some(s_bar.matmul_in(self.precision, self.k, false, false)),
            b.map(|b| s_dot_bar.matmul_in(self.precision, b, false, false)),
        );
        let k_bar = add(
            Some(s_bar.matmul_in(self.precision, self.q, true, false)),
            a.map(|a| s_dot_bar.matmul_in(self.precision, a, true, false)),
        );
        let v_bar = softmax_vjp(&p, &s_dot).matmul_in(self.precision, h, true, false);
        let scaled = |bar: Option<V>| bar.expect("the first term is given").scale(self.scale);
        ([scaled(q_bar), scaled(k_bar), v_bar], s_bar)
    }

    /// The cotangents of q, k and v for that of the output, as one row per head.
    fn cotangents<T: Float>(&self, g: &V) -> V
    where
        V: Value<T>,
    {
        let op = Op::AttentionVjp { scale: self.scale, causal: self.causal, precision: self.precision };
        let x: SmallVec<[&V; 16]> = [self.q, self.k, self.v].into_iter().chain(self.mask).chain([g]).few();
        V::apply(op, &x)
    }

    /// Such rows as arrays of the shapes of q, k and v.
    fn parts<T: Float>(&self, packed: &V) -> [V; 3]
    where
        V: Value<T>,
    {
        let row = packed.shape();
        let (last, mut start) = (row.len() - 1, 0);
        [self.q, self.k, self.v].map(|x| {
            let shape = x.shape();
            let len = shape[last] * shape[last + 1];
            let mut spans = Span::whole(&row);
            spans[last] = Span { start: if len == 0 { 0 } else { start }, len, step: 1 };
            start += len;
            V::apply(Op::Slice { spans }, &[packed]).reshape(&shape)
        })
    }

    /// The inverse of [`parts`](Self::parts).
    fn packed<T: Float>(&self, parts: &[V; 3]) -> V
    where
        V: Value<T>,
    {
        let rows = parts.each_ref().map(|x| {
            let (shape, last) = (x.shape(), x.shape().len() - 2);
            x.reshape(&[&shape[..last], &[shape[last] * shape[last + 1]]].concat())
        });
        V::apply(Op::Concat { axis: rows[0].shape().len() - 1 }, &rows.each_ref())
    }
}
