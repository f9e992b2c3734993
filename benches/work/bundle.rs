//! GradBench's BA: bundle adjustment, the sparse Jacobian of reprojection errors, as in ADBench.
//! Source: Šrajer, Kukelova and Fitzgibbon, *A benchmark of selected algorithmic differentiation tools* (2018).

use super::Work;
use autograd::Program;
use autograd::prelude::*;

/// Cameras (rotation, center, focal length, principal point, two radial distortions: 11 parameters each) that observe
/// points in space at measured positions in their images, each measurement with its own weight.
///
/// All data is stored coordinate by coordinate, so that an operation runs over all measurements at once.
pub struct Bundle {
    /// `[11, cameras]`
    cameras: Tensor<f64>,
    /// `[3, points]`
    points: Tensor<f64>,
    /// One per measurement.
    weights: Tensor<f64>,
    /// By image coordinate, one per measurement.
    measured: [Tensor<f64>; 2],
    /// The camera and the point of each measurement.
    of: [Tensor<i64>; 2],
    tape: Tape<f64>,
    program: Option<Program<f64>>,
}

/// The inputs of each measurement as variables: its camera `[11, n]`, its point `[3, n]`, its weight `[n]`.
pub type Seen<'t> = [Var<'t, f64>; 3];

impl Bundle {
    /// A random scene.
    pub fn new(cameras: usize, points: usize, measurements: usize) -> Bundle {
        let mut rng = Rng::new(0);
        let index = |n: usize, rng: &mut Rng| (0..measurements).map(|_| rng.below(n) as i64).collect();
        Bundle {
            cameras: Tensor::randn(&[11, cameras], &mut rng),
            points: Tensor::randn(&[3, points], &mut rng),
            weights: Tensor::randn(&[measurements], &mut rng),
            measured: [(); 2].map(|()| Tensor::randn(&[measurements], &mut rng)),
            of: [index(cameras, &mut rng), index(points, &mut rng)],
            tape: Tape::new(),
            program: None,
        }
    }

    /// The inputs of the measurements.
    pub fn seen(&self) -> [Tensor<f64>; 3] {
        let [camera, point] = &self.of;
        [self.cameras.take(1, camera), self.points.take(1, point), self.weights.clone()]
    }

    /// One per measurement each: the reprojection errors by image coordinate, and the errors of the weights.
    pub fn errors<'t>(&self, [camera, point, weight]: Seen<'t>) -> [Var<'t, f64>; 3] {
        let [u, v] = project(camera, point);
        let [at_u, at_v] = self.measured.each_ref().map(|m| weight.tape().constant(m.clone()));
        [weight * (u - at_u), weight * (v - at_v), 1.0 - weight.square()]
    }

    fn recorded<'t>(&self, tape: &'t Tape<f64>) -> (Seen<'t>, [Var<'t, f64>; 3]) {
        let seen = self.seen().map(|x| tape.var(x));
        (seen, self.errors(seen))
    }

    /// The nonzero part of the Jacobian: for each of the errors, a row for each measurement's camera, point and weight.
    /// A measurement depends only on its own inputs, so one sweep gives the rows of all measurements.
    pub fn jacobian(&mut self) -> [[Tensor<f64>; 3]; 3] {
        self.tape.clear();
        let (seen, errors) = self.recorded(&self.tape);
        let ones = Tensor::ones(self.weights.shape());
        errors.map(|error| {
            let gradients = error.vjp(ones.clone());
            seen.map(|x| gradients.wrt(x))
        })
    }

    /// The same, replayed, as one list.
    pub fn replayed(&mut self) -> &[Tensor<f64>] {
        let seen = self.seen();
        if self.program.is_none() {
            let tape = Tape::sketch();
            let (seen, errors) = self.recorded(&tape);
            let ones = tape.constant(Tensor::ones(self.weights.shape()));
            let rows =
                errors.map(|error| error.try_grad_with(ones, &seen).expect("the cotangent has the errors' shape"));
            self.program = Some(Program::new(&tape, &seen, &rows.concat()));
        }
        let program = self.program.as_mut().expect("compiled");
        program.run(&seen.each_ref()).expect("the shapes are those of the recording")
    }
}

/// The image coordinates at which a camera sees a point.
fn project<'t>(camera: Var<'t, f64>, point: Var<'t, f64>) -> [Var<'t, f64>; 2] {
    let [x, y, z] = coordinates(rotate(camera.slice(0, 0..3), point - camera.slice(0, 3..6)));
    let [focal, u0, v0, first, second] = [6, 7, 8, 9, 10].map(|i| camera.index_axis(0, i));
    let (u, v) = (x / z, y / z);
    let square = u.square() + v.square();
    let scale = (1.0 + square * (first + square * second)) * focal;
    [u * scale + u0, v * scale + v0]
}

/// Rotates `x` about an axis whose length is the angle in radians: Rodrigues' formula.
fn rotate<'t>(axis: Var<'t, f64>, x: Var<'t, f64>) -> Var<'t, f64> {
    let angle = axis.square().sum_axes(0).sqrt();
    let (sin, cos, axis) = (angle.sin(), angle.cos(), axis / angle);
    let along = (axis * x).sum_axes(0) * (1.0 - cos);
    x * cos + cross(axis, x) * sin + axis * along
}

fn cross<'t>(a: Var<'t, f64>, b: Var<'t, f64>) -> Var<'t, f64> {
    let ([a0, a1, a2], [b0, b1, b2]) = (coordinates(a), coordinates(b));
    Var::stack(&[a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], 0)
}

fn coordinates(x: Var<'_, f64>) -> [Var<'_, f64>; 3] {
    [0, 1, 2].map(|i| x.index_axis(0, i))
}

impl Work for Bundle {
    fn record(&mut self) {
        assert_eq!(self.jacobian()[0][0].shape(), [11, self.weights.len()]);
    }

    fn replay(&mut self) {
        assert_eq!(self.replayed().len(), 9);
    }
}

/// The errors alone.
pub struct Errors(pub Bundle);

impl Errors {
    fn compile(&self) -> Program<f64> {
        let tape = Tape::sketch();
        let (seen, errors) = self.0.recorded(&tape);
        Program::new(&tape, &seen, &errors)
    }
}

impl Work for Errors {
    fn record(&mut self) {
        self.0.tape.clear();
        let (_, errors) = self.0.recorded(&self.0.tape);
        assert_eq!(errors[0].rank(), 1);
    }

    fn replay(&mut self) {
        if self.0.program.is_none() {
            self.0.program = Some(self.compile());
        }
        let seen = self.0.seen();
        let errors = self.0.program.as_mut().expect("compiled").run(&seen.each_ref());
        assert_eq!(errors.expect("the shapes are those of the recording").len(), 3);
    }
}
