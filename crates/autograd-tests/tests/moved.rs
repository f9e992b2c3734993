//! Edge cases of the methods that move and select elements, and their derivatives against finite differences.

use autograd::{Pad, Tape, Tensor, Var, gradcheck, tensor};

#[test]
fn of_several_written_to_one_place_the_last_stays() {
    let tape = Tape::<f64>::new();
    let (x, src) = (tape.var(tensor![1.0, 2.0, 3.0]), tape.var(tensor![10.0, 20.0, 30.0]));
    let y = x.scatter(0, tensor![2_i64, 0, 2], src);
    assert_eq!(y.value(), tensor![20.0, 2.0, 30.0]);
    let dy = (y * tape.constant(tensor![1.0, 2.0, 3.0])).sum().backward();
    assert_eq!((dy.wrt(x), dy.wrt(src)), (tensor![0.0, 2.0, 0.0], tensor![0.0, 1.0, 3.0]));
}

#[test]
fn what_is_overwritten_or_not_chosen_may_be_anything() {
    let wild = tensor![f64::NAN, f64::INFINITY, 1.0];
    assert_eq!(wild.scatter(0, tensor![0_i64, 1], tensor![-0.0, 5.0]), tensor![0.0, 5.0, 1.0]);
    assert_eq!(wild.masked_fill(wild.is_lt(9.0), 7.0).at(&[2]), 7.0);
    assert_eq!(tensor![[1.0, f64::NAN], [2.0, 3.0]].tril(0), tensor![[1.0, 0.0], [2.0, 3.0]]);
    let padded = tensor![1.0].pad(&[[1, 1]], Pad::Constant(f64::NEG_INFINITY));
    assert_eq!(padded, tensor![f64::NEG_INFINITY, 1.0, f64::NEG_INFINITY]);
    assert_eq!(tensor![1e300, f64::MAX].lerp(tensor![1.0, 2.0], tensor![1.0]), tensor![1.0, 2.0]);
}

#[test]
fn bounds_share_the_derivative_and_nan_passes() {
    let tape = Tape::<f64>::new();
    let x = tape.var(tensor![-2.0, -1.0, 0.0, 1.0, 2.0, f64::NAN, f64::INFINITY]);
    let y = x.clamp(-1.0, 1.0);
    assert!(y.value().at(&[5]).is_nan());
    assert_eq!(y.sum().backward().wrt(x), tensor![0.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0]);
    let above = x.clamp(0.0, f64::INFINITY);
    assert_eq!(above.sum().backward().wrt(x), tensor![0.0, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0]);
    assert_eq!(tensor![0.0].clamp(2.0, 1.0), tensor![1.0]);
}

#[test]
fn masks_have_an_algebra() {
    let (x, y) = (tensor![[1.0], [3.0]], tensor![1.0, 2.0, f64::NAN]);
    let (below, same) = (x.is_lt(&y), x.is_eq(&y));
    assert_eq!(below, tensor![[false, true, false], [false, false, false]]);
    assert_eq!(&below | &same, x.is_le(&y));
    assert_eq!(!(&below & &same), tensor![[true; 3]; 2]);
    assert_eq!((&below ^ same).count(), 2);
    assert!(below.any() && !below.all() && !tensor![false].any());
    assert!(Tensor::<bool>::zeros(&[0]).all() && !Tensor::<bool>::zeros(&[0]).any());
    assert_eq!(tensor![3_i64, 1].is_ge(2), tensor![true, false]);
    assert_eq!(tensor![[1.0, 2.0]].t().t().slice(1, ..1).is_gt(0.5).shape(), [1, 1]);
}

#[test]
fn pieces_of_nothing() {
    let nothing = Tensor::<f64>::zeros(&[2, 0]);
    assert_eq!(nothing.chunk(3, 1).len(), 3);
    assert_eq!(nothing.split(&[0, 0], 1).len(), 2);
    assert_eq!(nothing.flip(..).roll(5, 1).tile(&[2, 2]).shape(), [4, 0]);
    assert_eq!(nothing.pad(&[[0, 0], [1, 1]], Pad::Constant(2.0)), tensor![[2.0, 2.0], [2.0, 2.0]]);
    assert_eq!(Tensor::<f64>::zeros(&[0]).diag(-1), tensor![[0.0]]);
    assert_eq!(tensor![[1.0, 2.0]].diagonal(7, 0, 1).shape(), [0]);
}

/// An op with one operand.
type Move = for<'t> fn(Var<'t, f64>) -> Var<'t, f64>;

#[test]
fn derivatives_of_every_method() {
    let moves: &[(&str, Move)] = &[
        ("permute_axes", |x| x.permute_axes(&[-1, 0])),
        ("flip", |x| x.flip(..)),
        ("roll", |x| x.roll(-2, -1)),
        ("tile", |x| x.tile(&[2, 1, 2])),
        ("repeat", |x| x.repeat_interleave(&[3], 0)),
        ("repeats", |x| x.repeat_interleave(&[2, 0, 1], 1)),
        ("zeros", |x| x.pad(&[[1, -1], [-1, 2]], Pad::Constant(0.0))),
        ("constant", |x| x.pad(&[[1, -1], [2, 2]], Pad::Constant(1.5))),
        ("reflect", |x| x.pad(&[[1, 1], [2, -1]], Pad::Reflect)),
        ("replicate", |x| x.pad(&[[2, 3], [0, 1]], Pad::Replicate)),
        ("circular", |x| x.pad(&[[2, 0], [1, 3]], Pad::Circular)),
        ("tril", |x| x.tril(-1)),
        ("triu", |x| x.triu(1)),
        ("diag", |x| x.diag(1)),
        ("on_diag", |x| x.flatten().diag(-2)),
        ("diagonal", |x| x.diagonal(-1, 1, 0)),
        ("trace", |x| x.trace()),
        ("index_axis", |x| x.index_axis(-1, -2)),
        ("chunk", |x| x.chunk(2, 1)[0]),
        ("select", |x| x.index_select(1, tensor![2_i64, 2, 0])),
        ("gather", |x| x.gather(1, tensor![[2_i64, 2, 1, 0]])),
        ("index_add", |x| x.index_add(1, tensor![1_i64, 1], x.slice(1, ..2).square())),
        ("scatter_add", |x| x.scatter_add(0, tensor![[1_i64, 1], [1, 0]], x.square())),
        ("scatter", |x| x.scatter(0, tensor![[1_i64, 1], [1, 0]], x.square())),
        ("lerp", |x| x.lerp(x.square(), x.sin())),
        ("clamp", |x| x.clamp(-0.45, 0.35)),
        ("between", |x| x.clamp_between(x.flip(1) - 0.4, x.flip(0) + 0.45)),
        ("where", |x| x.where_(x.is_gt(0.05), x.square())),
        ("fill", |x| x.masked_fill(x.is_gt(0.05), 2.0)),
    ];
    let x = tensor![[0.1, -0.3, 0.7], [0.4, 0.2, -0.6]];
    for (name, f) in moves {
        let checked = gradcheck(|x| (f(x[0]).exp() + f(x[0]).square()).sum(), std::slice::from_ref(&x));
        assert!(checked.is_ok(), "{name}: {checked:?}");
    }
}
