//! P: one function of numbers and its gradient at many points, run by run or by `run_many`.

use super::{Objective, Work};
use autograd::Program;
use autograd::prelude::*;

/// Number of points.
const POINTS: usize = 10_000;

/// The angle of a damped pendulum after 29 steps of seven operations each, by its initial angle, its initial speed, and the
/// damping.
pub fn pendulum() -> Objective<f64> {
    let at = [0.5, 0.1, 0.2].map(Tensor::scalar).into();
    Objective::new(at, vec![], |x, _, _| {
        let (mut angle, mut speed, damping) = (x[0], x[1], x[2]);
        for _ in 0..29 {
            speed = speed - (angle.sin() + damping * speed) * 0.1;
            angle = angle + speed * 0.1;
        }
        angle
    })
}

/// The gradient of the pendulum at all points.
pub struct Points {
    objective: Objective<f64>,
    /// The inputs of all points.
    x: Vec<Tensor<f64>>,
    program: Program<f64>,
    /// Whether all points run together.
    together: bool,
}

impl Points {
    /// Random points, run together or one by one.
    pub fn new(together: bool) -> Points {
        let (objective, tape, mut rng) = (pendulum(), Tape::sketch(), Rng::new(0));
        let x = objective.at.iter().map(|_| Tensor::rand(&[POINTS], &mut rng)).collect();
        let recorded = objective.record(&tape);
        let outputs = [vec![recorded.y], recorded.y.grad(&recorded.x)].concat();
        let program = Program::new(&tape, &recorded.x, &outputs);
        Points { objective, x, program, together }
    }
}

impl Work for Points {
    /// Records the function of arrays.
    fn record(&mut self) {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = self.x.iter().map(|x| tape.var(x.clone())).collect();
        assert!(self.objective.call(&x).y.sum().backward().wrt(x[0]).at(&[0]).is_finite());
    }

    fn replay(&mut self) {
        if self.together {
            let out = self.program.run_many(&self.x.iter().collect::<Vec<_>>()).expect("all have as many points");
            assert!(out[0].at(&[POINTS - 1]).is_finite());
            return;
        }
        let x: Vec<&[f64]> = self.x.iter().map(|x| x.as_slice().expect("contiguous")).collect();
        let [mut y, mut a, mut b, mut c] = [[0.0]; 4];
        for i in 0..POINTS {
            let at = [&x[0][i..=i], &x[1][i..=i], &x[2][i..=i]];
            self.program
                .run_into(&at, &mut [&mut y, &mut a, &mut b, &mut c])
                .expect("the shapes are those of the recording");
        }
        assert!(y[0].is_finite());
    }
}
