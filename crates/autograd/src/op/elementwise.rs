//! THE TABLE: every elementwise function and its derivative, one row each, written once over the algebra
//! [`Real`](crate::float::Real).
//!
//! `x` (or `a`, `b`) are the inputs, `y` is the output, `g` is the cotangent of `y`; a rule gives the cotangent of an
//! input. The Jacobian of an elementwise function is diagonal, so the same rule with a tangent for `g` is its
//! forward-mode derivative. The macros of `table` turn a row into its kernel, its fused rule, its
//! recorded rule and its line in the docs.

use super::Side;
use super::table::{binary, unary};
use crate::float::Float;

unary! { x, y, g =>
    //          y                   cotangent of x
    Neg      :  -x,                 -g;
    Recip    :  1.0 / x,            -g * y * y;
    Square   :  x * x,              2.0 * g * x;
    Sqrt     :  x.sqrt(),           g / (2.0 * y);
    Exp      :  x.exp(),            g * y;
    ExpM1    :  x.exp_m1(),         g * (y + 1.0);
    Ln       :  x.ln(),             g / x;
    Ln1p     :  x.ln_1p(),          g / (1.0 + x);
    Sin      :  x.sin(),            g * x.cos();
    Cos      :  x.cos(),            -g * x.sin();
    Tanh     :  x.tanh(),           g * (1.0 - y * y);
    Sigmoid  :  x.sigmoid(),        g * y * (1.0 - y);
    Softplus :  x.softplus(),       g * x.sigmoid();
    Relu     :  x.max(x.lit(0.0)),  g.where_pos(y);
    Abs      :  x.abs(),            g.where_pos(x) - g.where_pos(-x);
}

binary! { a, b, y, g =>
    //          y            cotangent of a                                     cotangent of b
    Add      :  a + b,       g,                                                 g;
    Sub      :  a - b,       g,                                                 -g;
    Mul      :  a * b,       g * b,                                             g * a;
    Div      :  a / b,       g / b,                                             -g * y / b;
    Pow      :  a.pow(b),    (g * b * a.pow(b - 1.0)).unless(b.eq(b.lit(0.0))), (g * y * a.ln()).unless(a.eq(a.lit(0.0)) * b.ge(b.lit(0.0)));
    Maximum  :  a.max(b),    a.gt(b).select(g, (0.5 * g).only(a.eq(b))),        b.gt(a).select(g, (0.5 * g).only(a.eq(b)));
    Minimum  :  a.min(b),    b.gt(a).select(g, (0.5 * g).only(a.eq(b))),        a.gt(b).select(g, (0.5 * g).only(a.eq(b)));
    // Masks: 1 where true, else 0. Constant between their jumps: they take no cotangent.
    Gt       :  a.gt(b);
    Ge       :  a.ge(b);
    Eq       :  a.eq(b);
}
