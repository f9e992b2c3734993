//! Clusters that read slices, joined values and values among zeros, which are never stored.

use super::{check, randn};
use autograd::Program;
use autograd::prelude::*;

/// Each element by the one before it; `first` comes before the first.
fn before<'t>(first: Var<'t, f64>, y: Var<'t, f64>) -> Var<'t, f64> {
    Var::concat(&[first, y.slice(0, ..y.shape()[0] - 1)], 0)
}

/// Runge-Kutta steps of y₀′ = x₀, yᵢ′ = xᵢ yᵢ₋₁.
fn chain<'t>(x: Var<'t, f64>, steps: usize) -> Var<'t, f64> {
    let (tape, mut y) = (x.tape(), x * 0.1);
    let one = tape.constant(Tensor::ones(&[1]));
    for _ in 0..steps {
        let k1 = x * before(one, y);
        let k2 = x * before(one, y + 0.5 * k1);
        y = y + (k1 + k2 * 2.0) / 3.0;
    }
    y
}

#[test]
fn a_stencil_reads_its_neighbors_in_place() {
    // Blocks of several lengths, cut where parts meet, on one thread and on more.
    for n in [2, 3, 64, 65, 255, 256, 257, 1000, 4097, 150_000] {
        check(&[randn(&[n], 1)], |_, x| chain(x[0], 2).square().sum());
    }
    let tape = Tape::<f64>::new();
    let x = tape.var(randn(&[1000], 1));
    let program = Program::new(&tape, &[x], &[chain(x, 3)]).to_string();
    assert!(!program.contains("concat") && !program.contains("slice"), "{program}");
}

#[test]
fn parts_of_all_kinds() {
    for n in [4usize, 100, 700, 3000] {
        let inputs = [randn(&[n], 2), randn(&[n, 3], 3), randn(&[2 * n], 4)];
        // Parts of inputs, of computed values, of constants, and of slices of slices; the longest is read twice.
        check(&inputs, |tape, x| {
            let fixed = tape.constant(randn(&[2], 5));
            let middle = x[2].slice(0, 1..).slice(0, 1..n + 1);
            let joined = Var::concat(&[fixed, x[0].exp(), middle.slice(0, ..n - 2)], 0);
            ((joined * x[2]).tanh() + joined * x[2].sin()).sum() + (middle * x[0]).square().sum()
        });
        // Rows of a matrix are consecutive, columns are not; a transposed matrix does not lie as it is read.
        check(&inputs, |_, x| {
            let rows = Var::concat(&[x[1].slice(0, n / 2..), x[1].slice(0, ..n / 2).exp()], 0);
            let columns = Var::concat(&[x[1].slice(1, 1..), x[1].slice(1, ..1)], 1);
            let turned = Var::concat(&[x[1].t().slice(0, 2..), x[1].t().slice(0, ..2)], 0);
            (rows * x[1] + columns * x[1].sin()).square().sum() + (turned * x[1].t().cos()).sum()
        });
        // A value is written over only when none of its parts is read any more.
        check(&inputs, |_, x| {
            let y = x[2].sin() * 0.5;
            let turned = Var::concat(&[y.slice(0, n..), y.slice(0, ..n)], 0);
            let z = y + turned * y.cos();
            (z * turned + z.square()).sum()
        });
        // The cluster after a product, and a value among zeros that is itself a part.
        check(&inputs, |_, x| {
            let product = x[1].matmul(x[1].slice(0, ..3));
            let joined = Var::concat(&[x[1].slice(0, 1..), x[1].slice(0, ..1)], 0);
            let padded = x[2].slice(0, 1..n - 1).pad(&[[1, 1]], autograd::Pad::Constant(0.0));
            (product * joined + joined).sum() + (padded * x[0]).sum()
        });
    }
}

#[test]
fn many_parts_are_joined_once() {
    let inputs = [randn(&[40, 50], 8)];
    check(&inputs, |_, x| {
        let rows: Vec<Var<f64>> = (0..40).map(|k| x[0].index_axis(0, k).exp()).collect();
        (Var::stack(&rows, 0) * x[0]).sin().sum()
    });
}

#[test]
fn states_and_outputs_are_stored() {
    let tape = Tape::<f64>::new();
    let (x, state) = (tape.var(randn(&[600], 6)), tape.var(randn(&[600], 7)));
    let turned = Var::concat(&[state.slice(0, 1..), state.slice(0, ..1)], 0);
    let (next, shown) = (turned * 0.5 + x, x.slice(0, ..10));
    let mut program = Program::draft(&tape)
        .inputs(&[x])
        .outputs(&[turned, shown, shown + 1.0])
        .state(&[(state, next)])
        .compile()
        .unwrap();
    let (x, mut state) = (x.value(), state.value());
    for _ in 0..3 {
        let out = program.run(&[&x]).unwrap().to_vec();
        let turned = Tensor::concat(&[state.slice(0, 1..), state.slice(0, ..1)], 0);
        assert_eq!((&out[0], &out[1], &out[2]), (&turned, &x.slice(0, ..10), &(x.slice(0, ..10) + 1.0)));
        state = turned * 0.5 + &x;
        assert_eq!(program.state(0), &state);
    }
}

#[test]
fn a_block_may_lie_among_the_zeros() {
    // The derivative of a short slice is computed block by block among zeros, and most blocks have nothing of it.
    for (n, from, len) in [(300, 0, 10), (257, 7, 166), (5000, 700, 100), (9000, 8990, 10), (70_000, 40_000, 3)] {
        check(&[randn(&[n], 9)], |_, x| {
            let part = x[0].slice(0, from..from + len);
            (part.sin() * part).sum().square() + x[0].tanh().sum()
        });
    }
    let tape = Tape::<f64>::new();
    let x = tape.var(randn(&[1000], 9));
    let gradient = (x.slice(0, 2..12).square().sum().square() + x.sum()).grad(&[x])[0];
    let mut program = Program::new(&tape, &[x], &[gradient]);
    let ones = Tensor::ones(&[1000]); // 1 everywhere, and 2·10·2x on the slice
    let expected = Tensor::from_fn(&[1000], |i| if (2..12).contains(&i[0]) { 41.0 } else { 1.0 });
    assert_eq!(program.run(&[&ones]).unwrap()[0], expected);
}

#[test]
fn the_next_value_of_a_state_may_be_a_view() {
    let tape = Tape::<f64>::new();
    let (turned, back, fixed) = (tape.var([[1.0, 2.0], [3.0, 4.0]]), tape.var([5.0, 6.0, 7.0]), tape.var([8.0, 9.0]));
    let two = tape.constant(tensor!(2.0)).broadcast_to(&[2]);
    let mut program = Program::draft(&tape)
        .outputs(&[turned * 2.0, back + 1.0, fixed * 3.0])
        .state(&[(turned, turned.t()), (back, back.flip(0)), (fixed, two)])
        .compile()
        .unwrap();
    let even = [tensor![[2.0, 4.0], [6.0, 8.0]], tensor![6.0, 7.0, 8.0]];
    let odd = [tensor![[2.0, 6.0], [4.0, 8.0]], tensor![8.0, 7.0, 6.0]];
    for k in 0..4 {
        let out = program.run(&[]).unwrap();
        assert_eq!(&out[..2], if k % 2 == 0 { &even } else { &odd });
        assert_eq!(out[2], if k == 0 { tensor![24.0, 27.0] } else { tensor![6.0, 6.0] });
    }
}

#[test]
fn a_few_rows_do_not_keep_a_matrix() {
    // Two rows of a large value are read again after another large value took its memory.
    let tape = Tape::<f64>::new();
    let x = tape.var(randn(&[100, 100], 12));
    let large = x.sin();
    let rows = Var::concat(&[large.index_axis(0, 0), large.index_axis(0, 5)], 0);
    let other = large.matmul(x).cumsum(0).cumsum(1);
    let y = (rows * other.slice(0, ..2).reshape(&[200])).tanh();
    let program = Program::new(&tape, &[x], &[y]).to_string();
    let found = program.lines().find_map(|line| line.split_once(" blocks, ")?.1.strip_suffix(" bytes")).unwrap();
    assert!(found.parse::<usize>().unwrap() < 8 * (2 * 10_000 + 1_000), "{program}");
}
