use super::element::{Kernels, emulated};
use super::*;

/// Random numbers in (-1, 1) from a linear congruential generator.
fn random<T: Element + From<f32>>(len: usize, seed: u32) -> Vec<T> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::from((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..len).map(|_| next()).collect()
}

/// The loops of all instruction sets that this CPU supports.
fn all_loops<T: Element>() -> Vec<&'static Loops<T>> {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
    let mut all = vec![Isa::Baseline];
    #[cfg(target_arch = "x86_64")]
    all.extend([Isa::Avx2, Isa::Avx512].into_iter().filter(|&isa| isa <= Isa::best()));
    all.into_iter().map(T::loops).collect()
}

/// The memory layout of an operand in its slice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Rows,
    Columns,
    Gaps,
    OneRow,
    OneColumn,
}

const LAYOUTS: [Layout; 5] = [Layout::Rows, Layout::Columns, Layout::Gaps, Layout::OneRow, Layout::OneColumn];

fn operand<T>(data: &[T], rows: usize, cols: usize, layout: Layout) -> Mat<'_, T> {
    let (row, col) = match layout {
        Layout::Rows => (cols, 1),
        Layout::Columns => (1, rows),
        Layout::Gaps => (2 * cols + 1, 2),
        Layout::OneRow => (0, 1),
        Layout::OneColumn => (1, 0),
    };
    Mat::new(data, rows, cols, row as isize, col as isize)
}

fn at<T: Copy>(mat: Mat<T>, i: usize, j: usize) -> T {
    // SAFETY: inside the matrix.
    unsafe { mat.view().sub(i, j, 1, 1).start.read() }
}

/// Adds to each element its position in a result with rows of `n` elements, counted from 1, so that a repeated call
/// shows.
fn number<T: Element + From<f32>>(n: usize, at: usize, run: &mut [T]) {
    let whole_rows = at.is_multiple_of(n) && run.len().is_multiple_of(n);
    assert!(!run.is_empty() && (whole_rows || at / n == (at + run.len() - 1) / n), "{at}, {}, {n}", run.len());
    (at + 1..).zip(run).for_each(|(place, x)| *x += T::from(place as f32));
}

/// [`number`] for a whole result.
fn numbered<T: Element + From<f32>>(mut c: Vec<T>) -> Vec<T> {
    if !c.is_empty() {
        number(1, 0, &mut c);
    }
    c
}

/// Compares the product with three loops in f64, and its bits on all instruction sets, with and without a callback.
fn check_product<T: Element + From<f32> + Into<f64> + PartialEq + std::fmt::Debug>(
    (m, k, n): (usize, usize, usize),
    (layout_a, layout_b): (Layout, Layout),
    epsilon: f64,
) {
    let (a, b) = (random::<T>(2 * m * k + m + k + 2, 1), random::<T>(2 * k * n + k + n + 2, 2));
    let (a, b) = (operand(&a, m, k, layout_a), operand(&b, k, n, layout_b));
    let before = random::<T>(m * n, 3);
    for keep in [None, Some(1.0), Some(0.75)] {
        let results = all_loops::<T>().into_iter().map(|loops| {
            let mut c = before.clone();
            matmul_on(loops, a, b, &mut c, keep.map(T::from), None);
            let mut then = before.clone();
            let finish = Finish { then: &|runs| runs.for_each(|(at, run)| number(n, at, run)), start: 0 };
            matmul_on(loops, a, b, &mut then, keep.map(T::from), Some(finish));
            assert!(then == numbered(c.clone()), "{m} x {k} x {n}, {layout_a:?}, {layout_b:?}: not once, or not final");
            c
        });
        let results: Vec<Vec<T>> = results.collect();
        let what = format!("{m} x {k} x {n}, {layout_a:?}, {layout_b:?}, keep: {keep:?}");
        assert!(results.iter().all(|c| *c == results[0]), "{what}: instruction sets differ");
        for i in 0..m {
            for j in 0..n {
                let products = (0..k).map(|p| at(a, i, p).into() * at(b, p, j).into());
                let start = keep.map_or(0.0, |keep: f32| f64::from(keep) * before[i * n + j].into());
                let expected = start + products.clone().sum::<f64>();
                // The textbook bound: the number of additions times ε times the sum of the magnitudes.
                let bound = (k + 2) as f64 * epsilon * (start.abs() + products.map(f64::abs).sum::<f64>());
                let got: f64 = results[0][i * n + j].into();
                assert!((got - expected).abs() <= bound, "{what}: got {got}, expected {expected} at {i}, {j}");
            }
        }
    }
}

fn check_all<T: Element + From<f32> + Into<f64> + PartialEq + std::fmt::Debug>(epsilon: f64) {
    const EDGES: [usize; 15] = [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65];
    for m in EDGES {
        for k in [0, 1, 2, 7, 17, 33] {
            for n in EDGES {
                // Every pair of layouts occurs with every remainder of the tiles.
                let turn = m + 2 * n + k;
                check_product::<T>((m, k, n), (LAYOUTS[turn % 2], LAYOUTS[turn / 2 % 2]), epsilon);
                check_product::<T>((m, k, n), (LAYOUTS[turn % 5], LAYOUTS[(turn / 5 + m) % 5]), epsilon);
            }
        }
    }
    for a in LAYOUTS {
        for b in LAYOUTS {
            for shape in [(17, 300, 33), (1, 300, 33), (33, 300, 1), (1, 70, 1), (97, 20, 70), (7, 9, 11)] {
                check_product::<T>(shape, (a, b), epsilon);
            }
        }
    }
    // More than one block of rows, of the sum, and of columns.
    check_product::<T>((150, 3, 2100), (Layout::Rows, Layout::Columns), epsilon);
    check_product::<T>((131, 513, 70), (Layout::Columns, Layout::Rows), epsilon);
}

#[test]
fn f32_products_match_three_loops() {
    check_all::<f32>(f64::from(f32::EPSILON) / 2.0);
}

#[test]
fn f64_products_match_three_loops() {
    check_all::<f64>(f64::EPSILON); // One half for the product, one for the loops.
}

fn bits_on<T: Element + From<f32> + PartialEq>(
    threads: usize,
    shape: (usize, usize, usize),
    layouts: (Layout, Layout),
) -> Vec<T> {
    let (m, k, n) = shape;
    let (a, b) = (random::<T>(2 * m * k + m, 4), random::<T>(2 * k * n + k, 5));
    let (a, b) = (operand(&a, m, k, layouts.0), operand(&b, k, n, layouts.1));
    let mut c = random::<T>(m * n, 6);
    threads::set_threads(threads);
    let mut then = c.clone();
    matmul_into(Precision::Full, a, b, &mut c, (m % 2 == 0).then_some(T::ONE), None);
    matmul_into(
        Precision::Full,
        a,
        b,
        &mut then,
        (m % 2 == 0).then_some(T::ONE),
        Some(&|runs| runs.for_each(|(at, run)| number(n, at, run))),
    );
    assert!(then == numbered(c.clone()), "{shape:?}, {layouts:?}, {threads} threads: not once, or not final");
    c
}

#[test]
fn the_number_of_threads_does_not_show() {
    let shapes = [(64, 256, 64), (129, 300, 65), (65, 300, 129), (1, 1000, 999), (999, 1000, 1), (1, 140_001, 1)];
    for shape in shapes.into_iter().chain([(7, 513, 512), (512, 513, 7), (301, 47, 299), (2, 30_000, 3)]) {
        for layouts in
            [Layout::Rows, Layout::Columns].into_iter().flat_map(|a| LAYOUTS[..3].iter().map(move |&b| (a, b)))
        {
            let one = bits_on::<f32>(1, shape, layouts);
            let wide = bits_on::<f64>(1, shape, layouts);
            for n in [2, 3] {
                assert!(one == bits_on::<f32>(n, shape, layouts), "f32, {shape:?}, {layouts:?}, {n} threads");
                assert!(wide == bits_on::<f64>(n, shape, layouts), "f64, {shape:?}, {layouts:?}, {n} threads");
            }
        }
    }
}

#[test]
fn batches_equal_their_products() {
    for (batch, m, k, n) in
        [(0, 3, 4, 5), (1, 9, 8, 7), (5, 0, 2, 3), (6, 4, 0, 3), (40, 33, 65, 34), (2, 128, 128, 128), (300, 1, 64, 64)]
    {
        let (a, b) = (random::<f32>(batch * m * k, 7), random::<f32>(k * n, 8));
        let a = |i: usize| Mat::row_major(&a[i * m * k..], m, k);
        let b = |_| Mat::row_major(&b, n, k).t(); // The same for all products.
        for keep in [None, Some(0.5)] {
            let mut got = random::<f32>(batch * m * n, 9);
            let mut expected = got.clone();
            let mut then = got.clone();
            matmul_batch_into(Precision::Full, batch, &a, &b, &mut got, keep, None);
            matmul_batch_into(
                Precision::Full,
                batch,
                &a,
                &b,
                &mut then,
                keep,
                Some(&|runs| runs.for_each(|(at, run)| number(n, at, run))),
            );
            for i in 0..batch {
                matmul_into(Precision::Full, a(i), b(i), &mut expected[i * m * n..][..m * n], keep, None);
            }
            assert_eq!(then, numbered(got.clone()), "{batch} times {m} x {k} x {n}");
            assert_eq!(got, expected, "{batch} times {m} x {k} x {n}");
        }
    }
}

#[test]
fn nothing_is_skipped() {
    for (bad, layout) in [(f32::NAN, Layout::Rows), (f32::INFINITY, Layout::Columns)] {
        for (m, n) in [(3, 4), (1, 5), (5, 1), (40, 70)] {
            let (zeros, mut b) = (vec![0.0; m * 40], vec![1.0; 40 * n]);
            b[17] = bad;
            let mut c = vec![0.0; m * n];
            let b = operand(&b, 40, n, layout);
            matmul_into(Precision::Full, Mat::row_major(&zeros, m, 40), b, &mut c, None, None);
            for (i, c) in c.iter().enumerate() {
                let expected = (0..40).any(|p| at(b, p, i % n) == bad || at(b, p, i % n).is_nan());
                assert_eq!(c.is_nan(), expected, "{m} x 40 x {n} at {i}");
            }
        }
    }
}

#[test]
fn emulated_fused_multiply_add_is_exact() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // All bit patterns, including subnormal numbers, infinities and NaN.
        f32::from_bits((state >> 32) as u32)
    };
    for i in 0..400_000 {
        let (a, b, mut c) = (next(), next(), next());
        if i % 2 == 0 {
            c = -(a * b) * (1.0 + f32::EPSILON * (i % 7) as f32); // Cancellation, and ties.
        }
        let (got, expected) = (Kernels::fused::<false>(a, b, c), a.mul_add(b, c));
        assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(), "{a:e} * {b:e} + {c:e}");
    }
}

/// The loops of products in pairs: those of this CPU first, then those without the instruction.
fn pair_loops() -> Vec<&'static Loops<f32>> {
    let best = f32::rounding(Precision::Bf16, Isa::best()).unwrap();
    let isas = [
        Isa::Baseline,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512,
    ];
    std::iter::once(best).chain(isas.into_iter().filter(|&isa| isa <= Isa::best()).map(emulated)).collect()
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
}

/// The definition: fused multiply-adds of rounded operands in ascending order, in blocks of the sum; subnormal results are 0.
fn by_definition(a: Mat<f32>, b: Mat<f32>, before: &[f32], keep: Option<f32>) -> Vec<f32> {
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    let round = |x: f32| Precision::Bf16.round(x);
    let flushed = |x: f32| if x.is_subnormal() { 0.0_f32.copysign(x) } else { x };
    let element = |i: usize, j: usize| {
        let before = keep.map(|keep| keep * before[i * n + j]);
        let block = blocked::block(k);
        (0..k.max(1)).step_by(block).fold(before, |sum, from| {
            let end = k.min(from + block);
            let terms = (from..end).map(|p| (round(at(a, i, p)), round(at(b, p, j))));
            // An odd block ends with a product of zeros.
            let terms = terms.chain(((end - from) % 2 == 1).then_some((0.0, 0.0)));
            let part = terms.fold(0.0_f32, |sum, (x, y)| flushed(x.mul_add(y, sum)));
            Some(sum.map_or(part, |sum| sum + part))
        })
    };
    (0..m * n).map(|at| element(at / n, at % n).unwrap()).collect()
}

#[test]
fn products_in_pairs_have_the_bits_of_their_definition() {
    const EDGES: [usize; 10] = [0, 1, 2, 7, 8, 9, 16, 17, 33, 65];
    let loops = pair_loops();
    for (m, k, n) in EDGES.into_iter().flat_map(|m| {
        let depths = [0, 1, 2, 3, 16, 31, 32, 33, 64];
        depths.into_iter().flat_map(move |k| EDGES.into_iter().map(move |n| (m, k, n)))
    }) {
        let turn = m + 2 * n + k;
        let layouts = (LAYOUTS[turn % 5], LAYOUTS[(turn / 5 + m) % 5]);
        let (mut a, mut b) = (random::<f32>(2 * m * k + m + k + 2, 1), random::<f32>(2 * k * n + k + n + 2, 2));
        // Tiny numbers, with sums that are subnormal; infinities; NaN.
        match turn % 4 {
            0 => a.iter_mut().enumerate().for_each(|(i, x)| *x *= 2f32.powi(-(i as i32 * 7 % 149))),
            1 => [&mut a, &mut b].into_iter().for_each(|x| x.iter_mut().for_each(|x| *x *= 1e-19)),
            2 if turn % 8 == 2 => a[turn % (m + 1)] = [f32::INFINITY, f32::NAN, f32::MAX][turn / 4 % 3],
            _ => (),
        }
        let (a, b) = (operand(&a, m, k, layouts.0), operand(&b, k, n, layouts.1));
        let before = random::<f32>(m * n, 3);
        for keep in [None, Some(0.75)] {
            let expected = by_definition(a, b, &before, keep);
            for (i, loops) in loops.iter().enumerate() {
                let mut c = before.clone();
                matmul_on(loops, a, b, &mut c, keep, None);
                assert!(same(&c, &expected), "{m} x {k} x {n}, {layouts:?}, keep {keep:?}, loops {i}");
            }
        }
    }
}

#[test]
fn products_in_pairs_are_those_of_rounded_operands() {
    for (m, k, n) in [(2, 2, 2), (9, 300, 33), (33, 1025, 17), (70, 513, 131), (150, 3, 1100)] {
        let (a, b) = (random::<f32>(m * k, 4), random::<f32>(k * n, 5));
        let rounded = |x: &[f32]| -> Vec<f32> { x.iter().map(|&x| Precision::Bf16.round(x)).collect() };
        let (near_a, near_b) = (rounded(&a), rounded(&b));
        for (layout_a, layout_b) in
            [(Layout::Rows, Layout::Rows), (Layout::Rows, Layout::Columns), (Layout::Columns, Layout::Rows)]
        {
            let mats = |a, b| (operand(a, m, k, layout_a), operand(b, k, n, layout_b));
            let (a, b) = mats(&a, &b);
            let mut full = vec![0.0; m * n];
            matmul_into(Precision::Full, mats(&near_a, &near_b).0, mats(&near_a, &near_b).1, &mut full, None, None);
            for threads in [1, 2, 3] {
                threads::set_threads(threads);
                let mut half = vec![0.0; m * n];
                matmul_into(
                    Precision::Bf16,
                    a,
                    b,
                    &mut half,
                    None,
                    Some(&|runs| runs.for_each(|(at, run)| number(n, at, run))),
                );
                assert!(same(&half, &numbered(full.clone())), "{m} x {k} x {n}, {threads} threads");
                let mut batch = vec![0.0; 3 * m * n];
                matmul_batch_into(Precision::Bf16, 3, &|_| a, &|_| b, &mut batch, None, None);
                assert!(batch.chunks(m * n).all(|c| same(c, &full)), "{m} x {k} x {n} in a batch");
            }
        }
    }
}

#[test]
fn other_precisions_are_products_of_rounded_copies() {
    fn check<T: Element + From<f32> + PartialEq>(precision: Precision) {
        for (m, k, n) in [(1, 5, 7), (5, 7, 1), (9, 30, 17), (0, 3, 2), (3, 0, 2)] {
            let (a, b) = (random::<T>(2 * m * k + m + k + 2, 4), random::<T>(2 * k * n + k + n + 2, 5));
            let rounded = |x: &[T]| -> Vec<T> { x.iter().map(|&x| precision.round(x)).collect() };
            for (layout_a, layout_b) in
                LAYOUTS.into_iter().zip([Layout::Columns, Layout::Rows, Layout::OneRow, Layout::Gaps, Layout::Rows])
            {
                let mut expected = vec![T::ZERO; m * n];
                let (near_a, near_b) = (rounded(&a), rounded(&b));
                let (a, b) = (operand(&a, m, k, layout_a), operand(&b, k, n, layout_b));
                let near = (operand(&near_a, m, k, layout_a), operand(&near_b, k, n, layout_b));
                matmul_into(Precision::Full, near.0, near.1, &mut expected, None, None);
                let mut c = expected.clone();
                matmul_into(precision, a, b, &mut c, None, None);
                assert!(c == expected, "{precision:?}, {m} x {k} x {n}, {layout_a:?}, {layout_b:?}");
                let mut c = [expected.clone(), expected.clone()].concat();
                matmul_batch_into(precision, 2, &|_| a, &|_| b, &mut c, None, None);
                assert!(c == [expected.clone(), expected].concat());
            }
        }
    }
    check::<f32>(Precision::F16);
    check::<f64>(Precision::F16);
    check::<f64>(Precision::Bf16);
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_matrix_beyond_its_slice_is_refused() {
    Mat::new(&[0.0_f32; 11], 3, 4, 4, 1);
}

#[test]
#[should_panic(expected = "negative")]
fn negative_strides_are_refused() {
    Mat::new(&[0.0_f32; 12], 3, 4, -4, 1);
}

#[test]
#[should_panic(expected = "inner dimension")]
fn unequal_inner_dimensions_are_refused() {
    matmul_into(
        Precision::Full,
        Mat::row_major(&[0.0; 6], 2, 3),
        Mat::row_major(&[0.0; 4], 2, 2),
        &mut [0.0; 4],
        None,
        None,
    );
}

#[test]
#[should_panic(expected = "room for")]
fn a_result_of_the_wrong_size_is_refused() {
    matmul_into(
        Precision::Full,
        Mat::row_major(&[0.0; 4], 2, 2),
        Mat::row_major(&[0.0; 4], 2, 2),
        &mut [0.0; 5],
        None,
        None,
    );
}
