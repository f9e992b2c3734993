//! GradBench's HAND: fitting a posed, skinned mesh of a hand to points in space, as in ADBench ("complicated": each
//! point lies somewhere on its triangle). Sources: Taylor et al., *User-specific hand modeling from monocular depth
//! sequences* (2014), and Šrajer, Kukelova and Fitzgibbon, *A benchmark of selected algorithmic differentiation tools*
//! (2018).

use super::Work;
use autograd::Program;
use autograd::prelude::*;

const FINGERS: usize = 5;
/// Bones of a finger: three with a joint and the tip.
const CHAIN: usize = 4;
/// The forearm, the palm, and the fingers.
const BONES: usize = 2 + FINGERS * CHAIN;
/// Global rotation and translation, and four angles per finger.
const POSE: usize = 6 + FINGERS * 4;

/// A hand, and the points that it is fitted to.
pub struct Hand {
    /// The pose: rotation (3), translation (3), and for each finger the flexion and spread of the first joint and the
    /// flexion of the other two.
    theta: Tensor<f64>,
    /// Where each point lies on its triangle: `[2, points]`, barycentric.
    on: Tensor<f64>,
    /// `[3, points]`
    points: Tensor<f64>,
    /// The palm in space, `[4, 4]`; the forearm and the palm have no joints.
    palm: Tensor<f64>,
    /// The fingers' bones at rest, each relative to the previous one, `[fingers, chain, 4, 4]`.
    bones: Tensor<f64>,
    /// Space relative to each finger's bones at rest, `[fingers, chain, 4, 4]`.
    rest: Tensor<f64>,
    /// The effect of each coordinate of each bone, `[4 · bones, 3 · points]`, on the corners of the points' triangles,
    /// weighted by how strongly a corner is attached to a bone. The first 8 rows belong to the forearm and the palm.
    skin: Tensor<f64>,
    tape: Tape<f64>,
    program: Option<Program<f64>>,
}

impl Hand {
    /// A random hand with the given number of points.
    pub fn new(points: usize) -> Hand {
        let mut rng = Rng::new(0);
        let corners = 3 * points;
        let shares = Tensor::<f64>::rand(&[BONES, 1, corners], &mut rng);
        let shares = &shares / shares.sum_keep(0);
        let at = Tensor::concat(&[Tensor::randn(&[3, corners], &mut rng), Tensor::ones(&[1, corners])], 0);
        let mut placed = |shape: &[usize]| {
            let noise = Tensor::randn(shape, &mut rng) * 0.1;
            let last = Tensor::new(&[4, 1], vec![0.0, 0.0, 0.0, 1.0]);
            let affine = Tensor::new(&[4, 1], vec![1.0, 1.0, 1.0, 0.0]);
            (noise + Tensor::eye(4)) * affine + Tensor::eye(4) * last
        };
        let chain = [FINGERS, CHAIN, 4, 4];
        let (palm, bones, rest) = (placed(&[4, 4]), placed(&chain), placed(&chain));
        Hand {
            theta: Tensor::randn(&[POSE], &mut rng) * 0.3,
            on: Tensor::rand(&[2, points], &mut rng) * 0.5,
            points: Tensor::randn(&[3, points], &mut rng),
            palm,
            bones,
            rest,
            skin: (shares * at).reshape(&[BONES * 4, corners]),
            tape: Tape::new(),
            program: None,
        }
    }

    /// The pose and the barycentric coordinates.
    pub fn at(&self) -> [Tensor<f64>; 2] {
        [self.theta.clone(), self.on.clone()]
    }

    /// The difference between each point and its position on the posed hand, `[3, points]`.
    pub fn errors<'t>(&self, theta: Var<'t, f64>, on: Var<'t, f64>) -> Var<'t, f64> {
        let tape = theta.tape();
        let constant = |x: &Tensor<f64>| tape.constant(x.clone());
        let corners = self.fingers(theta).matmul(constant(&self.skin));
        let (axis, shift) = (theta.slice(0, 0..3), theta.slice(0, 3..6));
        let corners = rotation(axis).matmul(corners) + shift.unsqueeze(1);
        let [a, b, c] = [0, 1, 2].map(|i| corners.slice_step(1, Some(i), None, 3));
        let (u, v) = (on.index_axis(0, 0), on.index_axis(0, 1));
        constant(&self.points) - (a * u + b * v + c * (1.0 - u - v))
    }

    /// The bones' motions from rest, concatenated, `[3, 4 · bones]`.
    fn fingers<'t>(&self, theta: Var<'t, f64>) -> Var<'t, f64> {
        let tape = theta.tape();
        let constant = |x: &Tensor<f64>| tape.constant(x.clone());
        let palm = constant(&self.palm);
        let relative = constant(&self.bones).matmul(joints(theta.slice(0, 6..).reshape(&[FINGERS, 4])));
        let mut bone = palm;
        let chain: Vec<_> = (0..CHAIN as isize)
            .map(|i| {
                bone = bone.matmul(relative.index_axis(1, i));
                bone
            })
            .collect();
        let moved = Var::stack(&chain, 1).matmul(constant(&self.rest));
        let fingers = moved.slice(2, 0..3).permute(&[2, 0, 1, 3]).reshape(&[3, 4 * FINGERS * CHAIN]);
        let still = tape.constant(Tensor::eye(4)).slice(0, 0..3);
        Var::concat(&[still, palm.slice(0, 0..3), fingers], 1)
    }

    /// The derivatives of the errors: `[3, points]` for each pose parameter, then `[3, points]` for each barycentric
    /// coordinate, of which every point has its own.
    pub fn jacobian(&mut self) -> Vec<Tensor<f64>> {
        self.tape.clear();
        let at = self.at().map(|x| self.tape.var(x));
        let errors = self.errors(at[0], at[1]);
        self.directions().map(|(k, direction)| errors.jvp(&[(at[k], direction)])).collect()
    }

    /// The same, replayed.
    pub fn replayed(&mut self) -> &[Tensor<f64>] {
        let at = self.at();
        if self.program.is_none() {
            let tape = Tape::sketch();
            let at = at.each_ref().map(|x| tape.var(x.clone()));
            let errors = self.errors(at[0], at[1]);
            let along = |(k, v): (usize, Tensor<f64>)| errors.jvp_recorded(&[(at[k], tape.constant(v))]);
            let columns: Vec<_> = self.directions().map(along).collect();
            self.program = Some(Program::new(&tape, &at, &columns));
        }
        let program = self.program.as_mut().expect("compiled");
        program.run(&at.each_ref()).expect("the shapes are those of the recording")
    }

    /// The directions of differentiation: each pose parameter, and each barycentric coordinate for all points at once,
    /// since no two points share one.
    fn directions(&self) -> impl Iterator<Item = (usize, Tensor<f64>)> + '_ {
        let only = |x: &Tensor<f64>, i: usize| Tensor::from_fn(x.shape(), |j| f64::from(u8::from(j[0] == i)));
        let pose = (0..POSE).map(move |i| (0, only(&self.theta, i)));
        pose.chain((0..2).map(move |i| (1, only(&self.on, i))))
    }
}

/// The fingers' joints as motions, `[fingers, chain, 4, 4]`, from four angles per finger: Rz(spread)·Rx(flexion) for
/// the first joint, Rx(flexion) for the next two, none for the tip.
fn joints(angles: Var<'_, f64>) -> Var<'_, f64> {
    let none = angles.tape().constant(Tensor::zeros(&[FINGERS, 1]));
    let angle = |i: isize| angles.slice(1, i..i + 1);
    let flexion = Var::concat(&[angle(0), angle(2), angle(3), none], 1);
    let spread = Var::concat(&[angle(1), none, none, none], 1);
    let ((sx, cx), (sz, cz)) = ((flexion.sin(), flexion.cos()), (spread.sin(), spread.cos()));
    let zero = angles.tape().constant(Tensor::zeros(&[FINGERS, CHAIN]));
    let one = zero + 1.0;
    #[rustfmt::skip]
    let motion = [
        cz,   -sz * cx, sz * sx,  zero,
        sz,   cz * cx,  -cz * sx, zero,
        zero, sx,       cx,       zero,
        zero, zero,     zero,     one,
    ];
    Var::stack(&motion, 2).reshape(&[FINGERS, CHAIN, 4, 4])
}

/// The rotation about an axis, whose length is the angle in radians, `[3, 3]`: Rodrigues' formula.
fn rotation(axis: Var<'_, f64>) -> Var<'_, f64> {
    let angle = axis.square().sum().sqrt();
    let (sin, cos, axis) = (angle.sin(), angle.cos(), axis / angle);
    let [x, y, z] = [0, 1, 2].map(|i| axis.index_axis(0, i));
    let zero = angle * 0.0;
    let cross = Var::stack(&[zero, -z, y, z, zero, -x, -y, x, zero], 0).reshape(&[3, 3]);
    let identity = angle.tape().constant(Tensor::eye(3));
    identity * cos + cross * sin + axis.unsqueeze(1) * axis * (1.0 - cos)
}

impl Work for Hand {
    fn record(&mut self) {
        assert_eq!(self.jacobian().len(), POSE + 2);
    }

    fn replay(&mut self) {
        assert_eq!(self.replayed().len(), POSE + 2);
    }
}

/// The errors alone.
pub struct Errors(pub Hand);

impl Work for Errors {
    fn record(&mut self) {
        self.0.tape.clear();
        let [theta, on] = self.0.at().map(|x| self.0.tape.var(x));
        assert_eq!(self.0.errors(theta, on).rank(), 2);
    }

    fn replay(&mut self) {
        let at = self.0.at();
        if self.0.program.is_none() {
            let tape = Tape::sketch();
            let at = at.each_ref().map(|x| tape.var(x.clone()));
            self.0.program = Some(Program::new(&tape, &at, &[self.0.errors(at[0], at[1])]));
        }
        let errors = self.0.program.as_mut().expect("compiled").run(&at.each_ref());
        assert_eq!(errors.expect("the shapes are those of the recording").len(), 1);
    }
}
