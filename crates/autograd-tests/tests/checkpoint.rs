//! A checkpoint changes what is kept in memory, but no values. Derivatives of any order equal those of the plain
//! computation, up to the order in which contributions are added.

use autograd::{Error, Rng, Tape, Tensor, Var, checkpoint, try_checkpoint};

const STEPS: usize = 3;

/// A few steps of a small network, given its state, weights and bias.
fn steps<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    (0..STEPS).fold(x[0], |h, _| (h.matmul(x[1]) + x[2]).tanh())
}

/// A constant state, weights, and a bias.
fn inputs(tape: &Tape<f64>) -> [Var<'_, f64>; 3] {
    let mut rng = Rng::new(3);
    let mut random = |shape: &[usize]| Tensor::<f64>::randn(shape, &mut rng);
    [tape.constant(random(&[4, 5])), tape.var(random(&[5, 5])), tape.var(random(&[5]))]
}

/// The loss over four pieces, each computed by `piece`.
fn loss<'t>([h, w, b]: [Var<'t, f64>; 3], piece: impl Fn(&[Var<'t, f64>]) -> Var<'t, f64>) -> Var<'t, f64> {
    (0..4).fold(h, |h, _| piece(&[h, w, b])).square().sum()
}

fn piece<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    checkpoint(steps, x)
}

#[test]
fn gradients_are_those_of_the_plain_computation() {
    let (plain, kept) = (Tape::new(), Tape::new());
    let (x, k) = (inputs(&plain), inputs(&kept));
    let (y, z) = (loss(x, steps), loss(k, piece));
    assert_eq!(y.value(), z.value());
    assert_eq!((plain.len(), kept.len()), (3 + 4 * STEPS * 3 + 2, 3 + 4 + 2));
    let (dy, dz) = (y.backward(), z.backward());
    (1..3).for_each(|i| near(&dz.wrt(k[i]), &dy.wrt(x[i])));
}

fn near(a: &Tensor<f64>, b: &Tensor<f64>) {
    let scale = b.abs().max().item();
    assert!(a.iter().zip(b.iter()).all(|(a, b)| (a - b).abs() <= 1e-12 * scale), "{a} is not {b}");
}

#[test]
fn tangents_and_products_with_the_hessian_too() {
    fn along<'t>([_, w, b]: [Var<'t, f64>; 3]) -> [(Var<'t, f64>, Tensor<f64>); 2] {
        let mut rng = Rng::new(8);
        [(w, Tensor::randn(&[5, 5], &mut rng)), (b, Tensor::randn(&[5], &mut rng))]
    }
    let (plain, kept) = (Tape::new(), Tape::new());
    let (x, k) = (inputs(&plain), inputs(&kept));
    let (y, z) = (loss(x, steps), loss(k, piece));
    near(&z.jvp(&along(k)), &y.jvp(&along(x)));
    z.hvp(&along(k)).iter().zip(&y.hvp(&along(x))).for_each(|(a, b)| near(a, b));
}

#[test]
fn derivatives_of_derivatives_too() {
    /// Reverse over reverse.
    fn twice<'t>(y: Var<'t, f64>, w: Var<'t, f64>) -> Tensor<f64> {
        y.grad(&[w])[0].square().sum().backward().wrt(w)
    }
    /// Reverse over forward over reverse.
    fn thrice<'t>(y: Var<'t, f64>, w: Var<'t, f64>) -> Tensor<f64> {
        y.grad(&[w])[0].sum().jvp_recorded(&[(w, w)]).backward().wrt(w)
    }
    let (plain, kept) = (Tape::new(), Tape::new());
    let (x, k) = (inputs(&plain), inputs(&kept));
    let (y, z) = (loss(x, steps), loss(k, piece));
    near(&twice(z, k[1]), &twice(y, x[1]));
    near(&thrice(z, k[1]), &thrice(y, x[1]));
}

#[test]
fn checkpoints_hold_checkpoints() {
    let tape = Tape::new();
    let x = inputs(&tape);
    let kept = checkpoint(|x| piece(&[piece(x), x[1], x[2]]), &x);
    let plain = steps(&[steps(&x), x[1], x[2]]);
    near(&kept.sum().backward().wrt(x[1]), &plain.sum().backward().wrt(x[1]));
}

#[test]
fn variables_by_key_are_reached() {
    const KEY: u64 = 77;
    let weight = Tensor::<f64>::from([2.0, -3.0]);
    let tape = Tape::new();
    let x = tape.var([0.5, 0.25]);
    let held = weight.clone();
    let y = checkpoint(move |x| (x[0] * x[0].tape().keyed(KEY, &held)).sin(), &[x]);
    let w = tape.find(KEY).expect("the tape has the variable after the checkpoint");
    let gradients = y.sum().backward();
    let cos = (&weight * &x.value()).cos();
    assert_eq!([gradients.wrt(w), gradients.wrt(x)], [&cos * &x.value(), &cos * &weight]);
    let product = y.sum().hvp(&[(w, Tensor::ones(&[2]))]);
    let expected = -(&weight * &x.value()).sin() * x.value() * x.value();
    assert!((&product[0] - &expected).abs().max().item() < 1e-15);
}

#[test]
fn results_that_depend_on_nothing_have_no_derivative() {
    let tape = Tape::<f64>::new();
    let (x, c) = (tape.var(2.0), tape.constant(3.0));
    assert_eq!(checkpoint(|x| x[0], &[x]).backward().wrt(x).item(), 1.0);
    let y = checkpoint(|x| x[1] * 2.0, &[x, c]);
    assert_eq!((y.item(), y.backward().wrt(x).item()), (6.0, 0.0));
    assert_eq!(y.jvp(&[(x, Tensor::scalar(1.0))]).item(), 0.0);
}

#[test]
fn what_cannot_be_recorded_is_an_error() {
    assert!(matches!(try_checkpoint::<f64, _>(|x| x[0], &[]), Err(Error::Argument { op: "checkpoint", .. })));
    let (a, b) = (Tape::<f64>::new(), Tape::new());
    let mixed = try_checkpoint(|x| x[0] + x[1], &[a.var(1.0), b.var(1.0)]);
    assert!(matches!(mixed, Err(Error::Foreign { op: "checkpoint" })));
}
