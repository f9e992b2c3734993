use super::*;
use crate::float::Precision;
use crate::kernel::threads::with_threads;

/// The three functions by definition: enumerates every product of the sum.
fn for_each_product(s: &Sizes, mut f: impl FnMut(usize, usize, usize)) {
    let [d, h, w] = &s.axes;
    let [c, o] = s.channels;
    let (input, places, kernel) = (d.input * h.input * w.input, s.places(), d.kernel * h.kernel * w.kernel);
    for part in 0..s.images * s.groups {
        for (out, channel) in (0..o).flat_map(|out| (0..c).map(move |channel| (out, channel))) {
            for place in 0..places {
                let (i, j, k) = (place / (h.output * w.output), place / w.output % h.output, place % w.output);
                for tap in 0..kernel {
                    let (a, b, e) = (tap / (h.kernel * w.kernel), tap / w.kernel % h.kernel, tap % w.kernel);
                    let at = |axis: &Axis, place: usize, tap: usize| {
                        let at = (place * axis.stride + tap * axis.dilation).checked_sub(axis.padding);
                        at.filter(|&at| at < axis.input)
                    };
                    if let (Some(p), Some(q), Some(r)) = (at(d, i, a), at(h, j, b), at(w, k, e)) {
                        let x = (part * c + channel) * input + (p * h.input + q) * w.input + r;
                        let weight = ((part % s.groups * o + out) * c + channel) * kernel + tap;
                        f(x, weight, (part * o + out) * places + place);
                    }
                }
            }
        }
    }
}

/// Small integers, whose sums are exact in any order.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 31 + seed * 17) % 13) as f32 - 6.0).collect()
}

fn check(s: &Sizes) {
    let axes: Vec<_> = s.axes.iter().map(|a| [a.input, a.output, a.kernel, a.stride, a.padding, a.dilation]).collect();
    let what = format!("{} images, {} groups, {:?}, {axes:?}", s.images, s.groups, s.channels);
    let parts = s.images * s.groups;
    let (x, w) = (numbers(parts * s.input(), 1), numbers(s.groups * s.channels[1] * s.taps(), 2));
    let g = numbers(parts * s.channels[1] * s.places(), 3);
    let (mut y, mut dx, mut dw) = (vec![0.0; g.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    for_each_product(s, |i, j, k| {
        y[k] += x[i] * w[j];
        dx[i] += g[k] * w[j];
        dw[j] += g[k] * x[i];
    });
    let made = |len: usize, f: &dyn Fn(&mut [f32])| {
        let mut made = vec![f32::NAN; len];
        f(&mut made);
        made
    };
    let phases = phases(s, gemm::lanes::<f32>());
    assert_eq!(made(y.len(), &|y| output(s, &x, &w, y)), y, "output, {what}");
    assert_eq!(made(x.len(), &|dx| input(s, &g, &w, dx)), dx, "input, {what}");
    assert_eq!(made(w.len(), &|dw| weight(s, &x, &g, dw)), dw, "weight, {what}");
    // Both ways, whichever was chosen.
    assert_eq!(made(y.len(), &|y| single::output(s, &x, &w, y)), y, "output of single images, {what}");
    assert_eq!(made(x.len(), &|dx| single::input(s, &phases, &g, &w, dx)), dx, "input of single images, {what}");
    assert_eq!(made(w.len(), &|dw| single::weight(s, &x, &g, dw)), dw, "weight of single images, {what}");
    assert_eq!(made(w.len(), &|dw| joined::weight(s, &x, &g, dw)), dw, "weight of joined images, {what}");
    if s.channels[1] >= gemm::TALLEST {
        assert_eq!(made(y.len(), &|y| joined::output(s, &x, &w, y)), y, "output of joined images, {what}");
    }
    if s.channels[0] >= gemm::TALLEST {
        assert_eq!(made(x.len(), &|dx| joined::input(s, &phases, &g, &w, dx)), dx, "input of joined images, {what}");
    }
    let wide = |data: &[f32]| data.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let mut y64 = vec![f64::NAN; y.len()];
    output(s, &wide(&x), &wide(&w), &mut y64);
    assert_eq!(y64, wide(&y), "output in f64, {what}");
}

fn axis(input: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Option<Axis> {
    let room = (input + 2 * padding).checked_sub((kernel - 1) * dilation + 1)?;
    Some(Axis { input, output: room / stride + 1, kernel, stride, padding, dilation })
}

const POINT: [usize; 5] = [1, 1, 1, 0, 1];

fn sizes(images: usize, groups: usize, channels: [usize; 2], axes: [[usize; 5]; 3]) -> Option<Sizes> {
    let [d, h, w] =
        axes.map(|[input, kernel, stride, padding, dilation]| axis(input, kernel, stride, padding, dilation));
    Some(Sizes { images, groups, channels, axes: [d?, h?, w?], precision: Precision::Full })
}

#[test]
fn every_window_on_one_axis() {
    for input in [1, 2, 3, 7, 9, 17, 40] {
        for kernel in 1..6 {
            for stride in 1..5 {
                for (padding, dilation) in (0..5).flat_map(|p| (1..4).map(move |d| (p, d))) {
                    let axes = [POINT, POINT, [input, kernel, stride, padding, dilation]];
                    sizes(2, 1, [2, 3], axes).iter().for_each(check);
                }
            }
        }
    }
}

#[test]
fn axes_with_different_windows() {
    for (turn, images) in (0..300).zip([1, 2, 3, 9].into_iter().cycle()) {
        let pick = |salt: usize, below: usize| (turn * 7919 + salt * 104_729) / 7 % below;
        let window = |salt| {
            [1 + pick(salt, 8), 1 + pick(salt + 1, 4), 1 + pick(salt + 2, 3), pick(salt + 3, 4), 1 + pick(salt + 4, 3)]
        };
        let depth = if turn % 2 == 0 { POINT } else { window(30) };
        let channels = [1 + pick(40, 3), 1 + pick(41, 11)];
        sizes(images, 1 + pick(42, 3), channels, [depth, window(10), window(20)]).iter().for_each(check);
    }
}

#[test]
fn more_than_a_block_of_anything() {
    // A sum of more than one block; many rows; many images; a line of many tiles; the two convolutions of LeNet.
    for (images, groups, channels, axes) in [
        (2, 1, [40, 30], [POINT, [6, 3, 1, 1, 1], [7, 3, 1, 1, 1]]),
        (40, 2, [3, 5], [POINT, [9, 3, 2, 1, 1], [9, 3, 2, 1, 1]]),
        (1, 1, [2, 50], [POINT, [40, 5, 1, 2, 1], [41, 5, 1, 2, 1]]),
        (9, 1, [1, 6], [POINT, [28, 5, 1, 2, 1], [28, 5, 1, 2, 1]]),
        (9, 1, [6, 16], [POINT, [14, 5, 1, 0, 1], [14, 5, 1, 0, 1]]),
        (3, 1, [9, 7], [POINT, [5, 1, 1, 0, 1], [5, 1, 1, 0, 1]]),
        (9, 2, [11, 10], [POINT, [7, 3, 1, 1, 1], [7, 3, 1, 1, 1]]),
        (3, 1, [40, 17], [POINT, [15, 3, 2, 1, 1], [18, 3, 2, 1, 1]]),
        (5, 1, [33, 9], [[3, 2, 1, 0, 1], [5, 3, 3, 1, 2], [9, 2, 3, 0, 2]]),
        (70, 1, [8, 8], [POINT, [4, 4, 1, 0, 1], [5, 5, 1, 0, 1]]),
        (6, 1, [20, 21], [POINT, [7, 1, 2, 0, 1], [7, 1, 2, 0, 1]]),
    ] {
        check(&sizes(images, groups, channels, axes).expect("it fits"));
    }
}

/// Sums that round: the result depends neither on the number of threads nor, except for sums over images, on the
/// method.
#[test]
fn the_same_bits_on_any_number_of_threads_and_both_ways() {
    let rounding = |len: usize, by: usize| (0..len).map(|i| ((i * by) % 101) as f32 / 7.0 - 7.0).collect::<Vec<f32>>();
    for (images, channels, window) in
        [(9, [40, 24], [7, 3, 1, 1, 1]), (3, [16, 40], [15, 3, 2, 1, 1]), (1, [64, 64], [12, 3, 1, 0, 1])]
    {
        let s = sizes(images, 1, channels, [POINT, window, window]).expect("it fits");
        let phases = phases(&s, gemm::lanes::<f32>());
        let (x, w) = (rounding(images * s.input(), 37), rounding(channels[1] * s.taps(), 41));
        let g = rounding(images * channels[1] * s.places(), 29);
        let made = |len: usize, f: &dyn Fn(&mut [f32])| {
            let mut made = vec![f32::NAN; len];
            f(&mut made);
            made
        };
        let all = || {
            let y = made(g.len(), &|y| joined::output(&s, &x, &w, y));
            let dx = made(x.len(), &|dx| joined::input(&s, &phases, &g, &w, dx));
            (y, dx, made(w.len(), &|dw| joined::weight(&s, &x, &g, dw)))
        };
        let expected = with_threads(1, all);
        assert_eq!(made(g.len(), &|y| single::output(&s, &x, &w, y)), expected.0);
        assert_eq!(made(x.len(), &|dx| single::input(&s, &phases, &g, &w, dx)), expected.1);
        for threads in [2, 3, 5] {
            assert!(with_threads(threads, all) == expected, "{threads} threads, {images} images");
        }
    }
}
