//! Fourier transforms against the sums that define them, and against PyTorch 2.15.

use autograd::prelude::*;
use autograd::transform::{sparsity, taylor};
use autograd::{Error, Fft, FftNorm, Program, set_threads};

fn near(a: &Tensor<f64>, b: &Tensor<f64>) {
    assert_eq!(a.shape(), b.shape());
    assert!(a.iter().zip(b.iter()).all(|(a, b)| (a - b).abs() <= 1e-13 * b.abs().max(1.0)), "{a} and {b}");
}

fn random(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

/// The sum that defines the transform of n complex numbers.
fn sum(x: &Tensor<f64>, sign: f64) -> Tensor<f64> {
    let n = x.shape()[0];
    Tensor::from_fn(&[n, 2], |k| {
        let terms = (0..n).map(|j| {
            let angle = sign * std::f64::consts::TAU * ((j * k[0]) % n) as f64 / n as f64;
            let (re, im) = (x.at(&[j, 0]), x.at(&[j, 1]));
            if k[1] == 0 { re * angle.cos() - im * angle.sin() } else { re * angle.sin() + im * angle.cos() }
        });
        terms.sum()
    })
}

#[test]
fn a_transform_is_the_sum_that_defines_it() {
    for n in (1..=20).chain([31, 64, 97, 100]) {
        let z = random(&[n, 2], n as u64);
        near(&z.fft(Fft::default()), &sum(&z, -1.0));
        near(&z.ifft(Fft::default()), &(sum(&z, 1.0) * (1.0 / n as f64)));
        near(&z.fft(Fft::default()).ifft(Fft::default()), &z);
        let x = z.real();
        let half = sum(&x.complex(x.full_like(0.0)), -1.0).slice(0, ..n / 2 + 1);
        near(&x.rfft(Fft::default()), &half);
        near(&x.rfft(Fft::default()).irfft(Fft::default().size([n])), &x);
        let single = x.cast::<f32>().rfft(Fft::default()).irfft(Fft::default().size([n])).cast::<f64>();
        assert!((single - &x).abs().max().item() < 1e-5);
    }
}

#[test]
fn numbers_of_pytorch() {
    let x = tensor![[0.5, -1.0, 2.0], [3.0, 0.25, -0.75], [1.0, 1.5, -2.0], [0.0, 4.0, 1.0]];
    let expected = tensor![
        [[9.5, 0.0], [2.0, -3.8971143170299736]],
        [[1.0, 2.5], [0.4820508075688774, -0.12083487540114923]],
        [[-5.5, 0.0], [0.5, 3.031088913245535]],
        [[1.0, -2.5], [-2.9820508075688776, 11.37916512459885]]
    ];
    near(&x.rfft(Fft::along([0, 1])), &expected);
    near(
        &x.rfft(Fft::along([-1, 0]).size([2, 5]).norm(FftNorm::Ortho)),
        &tensor![
            [[2.925106835655751, 0.0], [-0.07905694150420949, 0.0]],
            [[-1.5034433223885313, -0.6986280260421234], [1.894322337558241, -1.4776228734406982]],
            [[-0.3543948029603914, -1.055216272253459], [-0.6689397442429939, 0.5414731238804511]]
        ],
    );
    near(&expected.irfft(Fft::along([0, 1]).size([4, 3])), &x);
    near(&expected.irfft(Fft::along([0, 1])), &tensor![[0.75, 0.75], [2.875, -0.375], [0.875, -0.375], [1.25, 3.75]]);
}

#[test]
fn derivatives_of_any_transform() {
    let norms = [FftNorm::Backward, FftNorm::Ortho, FftNorm::Forward];
    for (i, norm) in norms.into_iter().enumerate() {
        for size in [3, 4, 5, 6] {
            let by = || Fft::along([0]).size([size]).norm(norm);
            let (x, z) = (random(&[4, 2], i as u64), random(&[4, 2, 2], 7));
            gradcheck(|x| x[0].rfft(by()).square(), &[&x]).unwrap();
            gradcheck(|x| x[0].irfft(by()).square(), &[&z]).unwrap();
            gradcheck(|x| x[0].fft(by()).square(), &[&z]).unwrap();
            gradcheck(|x| x[0].ifft(Fft::along([1, 0]).size([size, 2]).norm(norm)).square(), &[&z]).unwrap();
            // Forward and inverse cancel.
            let all = || Fft::along([0, -1]).norm(norm);
            near(&z.fft(all()).ifft(all()), &z);
            near(&x.rfft(all()).irfft(all().size([4, 2])), &x);
        }
    }
    // Parseval: the orthogonal transform keeps lengths, so that Σ |ŷ|² has the gradient 2 x, and its derivative is 2.
    let tape = Tape::new();
    let z = random(&[6, 2], 2);
    let v = tape.var(z.clone());
    let g = v.fft(Fft::default().norm(FftNorm::Ortho)).square().sum().grad(&[v])[0];
    near(&g.value(), &(&z * 2.0));
    near(&g.vjp(z.clone()).wrt(v), &(&z * 2.0));
    let d = taylor(|z| z[0].fft(Fft::default()).square().sum(), &[&z], &[&z], 3);
    near(&d[1], &d[2]); // along itself, s² grows as (1 + s)²
    near(&d[3], &Tensor::scalar(0.0));
}

#[test]
fn convolutions_are_products_of_spectra() {
    let (x, w) = (random(&[3, 1, 20], 1), random(&[1, 1, 6], 2));
    // conv1d correlates: the filter in reverse convolves.
    let direct = x.conv1d(w.flip(-1), None, autograd::Conv { padding: [5], ..Default::default() });
    let by = || Fft::default().size([25]);
    near(&x.rfft(by()).complex_mul(w.rfft(by())).irfft(by()), &direct);
    let spectrum = |x: &Tensor<f64>| x.rfft(by());
    near(&spectrum(&x).conj().imag(), &-spectrum(&x).imag());
    near(&spectrum(&x).real().complex(spectrum(&x).imag()), &spectrum(&x));
}

#[test]
fn replayed_for_all_samples_and_on_any_number_of_threads() {
    fn f<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        x[0].rfft(Fft::default()).square().fft(Fft::along([0])).irfft(Fft::default().size([7])).cos()
    }
    let (x, y) = (random(&[3, 7], 1), random(&[3, 7], 2));
    let tape = Tape::new();
    let v = tape.var(x.clone());
    let out = f(&[v]);
    let mut program = Program::new(&tape, &[v], &[out, out.sum().grad(&[v])[0]]);
    let found = program.run(&[&y]).unwrap().to_vec();
    let other = tape.var(y.clone());
    let again = f(&[other]);
    assert_eq!(found, [again.value(), again.sum().backward().wrt(other)]);
    let all = vmap(f, &[Some(0)], &[&Tensor::stack(&[x, y], 0)]);
    assert_eq!(all, Tensor::stack(&[out.value(), found[0].clone()], 0));
    // Each number depends on all of its row, and on nothing else.
    let pattern = sparsity(|z| z[0].fft(Fft::default()), &random(&[3, 4, 2], 4)).unwrap();
    assert_eq!((pattern.row(0), pattern.nonzeros()), ((0..8).collect::<Vec<u32>>().as_slice(), 3 * 8 * 8));
    let large = random(&[64, 2000], 3);
    let of_threads = [1, 2, 3, 8].map(|threads| {
        set_threads(threads);
        let z = large.rfft(Fft::along([0, 1]));
        (z.irfft(Fft::along([0, 1])), z)
    });
    assert!(of_threads.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn frequencies_and_shifts() {
    assert_eq!(Tensor::<f64>::fftfreq(6, 0.5).to_vec(), [0.0, 1.0 / 3.0, 2.0 / 3.0, -1.0, -2.0 / 3.0, -1.0 / 3.0]);
    assert_eq!(Tensor::<f64>::rfftfreq(5, 1.0), tensor![0.0, 0.2, 0.4]);
    assert_eq!(Tensor::<f64>::rfftfreq(0, 1.0).shape(), [0]);
    let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    assert_eq!(x.fftshift(..), tensor![[6.0, 4.0, 5.0], [3.0, 1.0, 2.0]]);
    assert_eq!(x.fftshift([0, 1]).ifftshift([0, 1]), x);
    assert_eq!(Tensor::<f64>::zeros(&[2, 0]).fftshift(1).shape(), [2, 0]);
}

#[test]
fn what_is_no_spectrum_is_refused() {
    let (x, z) = (random(&[4, 3], 1), random(&[4, 3, 2], 2));
    assert!(x.try_fft(Fft::default()).unwrap_err().to_string().contains("pairs along a last axis"));
    assert!(x.try_irfft(Fft::default()).is_err() && x.try_conj().is_err() && x.try_real().is_err());
    assert!(z.try_fft(Fft::along([2])).is_err() && z.try_fft(Fft::along([-3])).is_err());
    for settings in [Fft::along([]), Fft::along([0, 0]), Fft::along([0, -2]), Fft::along([0]).size([1, 2])] {
        assert!(matches!(z.try_fft(settings.clone()), Err(Error::Argument { op: "fft", .. })));
        assert!(matches!(x.try_rfft(settings.clone()), Err(Error::Argument { op: "rfft", .. })));
        assert!(matches!(z.try_irfft(settings), Err(Error::Argument { op: "irfft", .. })));
    }
    for error in [
        x.try_rfft(Fft::default().size([0])),
        Tensor::<f64>::zeros(&[0]).try_rfft(Fft::default()),
        Tensor::<f64>::zeros(&[3, 0, 2]).try_fft(Fft::default()),
        Tensor::<f64>::zeros(&[1, 2]).try_irfft(Fft::default()),
    ] {
        assert!(error.unwrap_err().to_string().contains("at least one number along each axis"));
    }
    assert!(Tensor::scalar(1.0).try_rfft(Fft::default()).is_err());
    assert_eq!(Tensor::<f64>::zeros(&[0, 3]).rfft(Fft::default()).shape(), [0, 2, 2]);
    let nan = tensor![1.0, f64::NAN].rfft(Fft::default());
    assert!(nan.at(&[0, 0]).is_nan());
}
