//! Hand tracking: how far observed points are from the surface of a hand, whose bones are posed by angles.

use super::input::Input;
use super::protocol::{Reply, unknown};
use super::recording::recorded;
use serde_json::json;
use wengert::autograd::transform::{Mode, jacobian_by};
use wengert::prelude::*;

const FINGERS: usize = 5;
/// Turn and position of the hand, and four angles for each finger.
const POSE: usize = 6 + 4 * FINGERS;

struct Hand {
    /// The bone that each bone hangs on, which comes before it.
    parents: Vec<Option<usize>>,
    /// Matrices from a bone to its parent, and from the hand to the bone, both at rest.
    relatives: Tensor<f64>,
    inverses: Tensor<f64>,
    /// By vertex: the position at rest, homogeneous, and how much it moves with each bone.
    positions: Tensor<f64>,
    weights: Tensor<f64>,
    mirrored: bool,
    /// The observed points, and the vertices that each is compared with: one, or the corners of a triangle.
    points: Tensor<f64>,
    corners: Vec<Tensor<i64>>,
    /// The pose, and where in its triangle each point is.
    pose: Tensor<f64>,
    places: Tensor<f64>,
}

impl Hand {
    fn read(input: &Input) -> Result<Self, String> {
        let (data, model) = (input.get("data")?, input.get("data")?.get("model")?);
        let bones = model.get("bone_count")?.count()?;
        if bones < 2 + 4 * FINGERS {
            return Err(model.expected("two bones, and four for each finger"));
        }
        let parents = model.get("parents")?.list(|parent| parent.optional_index(bones))?;
        if parents.len() != bones || parents.iter().enumerate().any(|(i, &parent)| parent.is_some_and(|p| p >= i)) {
            return Err(model.expected("for each bone a parent, which comes before it"));
        }
        let matrices = |name| model.get(name)?.tensor([Some(bones), Some(4), Some(4)]);
        let positions: Tensor<f64> = model.get("base_positions")?.tensor([None, Some(4)])?;
        let vertices = positions.shape()[0];
        let points: Tensor<f64> = data.get("points")?.tensor([None, Some(3)])?;
        let count = points.shape()[0];
        let places = input.get("us")?;
        let simple = places.list(|_| Ok(()))?.is_empty();
        let places = if simple { Tensor::zeros(&[0, 2]) } else { places.tensor([Some(count), Some(2)])? };
        let corners = if simple {
            let near = data.get("correspondences")?.list(|vertex| vertex.index(vertices))?;
            vec![near]
        } else {
            let triangles = model.get("triangles")?.list(|corners| corners.list(|corner| corner.index(vertices)))?;
            if triangles.iter().any(|corners| corners.len() != 3) {
                return Err(model.expected("triangles of three corners"));
            }
            let near = data.get("correspondences")?.list(|triangle| triangle.index(triangles.len()))?;
            (0..3).map(|corner| near.iter().map(|&triangle| triangles[triangle][corner]).collect()).collect()
        };
        if count == 0 || corners[0].len() != count {
            return Err(data.expected("as many correspondences as points, and at least one"));
        }
        let index = |vertices: Vec<usize>| Tensor::new(&[count], vertices.into_iter().map(|v| v as i64).collect());
        Ok(Hand {
            parents,
            relatives: matrices("base_relatives")?,
            inverses: matrices("inverse_base_absolutes")?,
            positions,
            weights: model.get("weights")?.tensor([Some(vertices), Some(bones)])?,
            mirrored: model.get("is_mirrored")?.flag()?,
            points,
            corners: corners.into_iter().map(index).collect(),
            pose: input.get("theta")?.tensor([Some(POSE)])?,
            places,
        })
    }

    /// The turn of each bone about x, y and z, one axis in a row. The first three bones of a finger bend, and the first also
    /// moves aside.
    fn angles<'t>(&self, pose: Var<'t, f64>) -> Var<'t, f64> {
        let bones = self.parents.len();
        let mut from = vec![POSE as i64; 3 * bones];
        for finger in 0..FINGERS {
            let (bone, angle) = (2 + 4 * finger, (6 + 4 * finger) as i64);
            [(0, bone, 0), (2, bone, 1), (0, bone + 1, 2), (0, bone + 2, 3)]
                .into_iter()
                .for_each(|(axis, bone, k)| from[axis * bones + bone] = angle + k);
        }
        let still = pose.tape().constant(Tensor::zeros(&[1]));
        Var::concat(&[pose, still], 0).take(0, Tensor::new(&[3, bones], from))
    }

    /// The matrices of all bones, from rest to the pose, side by side: three rows, and four columns for each bone.
    fn transforms<'t>(&self, pose: Var<'t, f64>) -> Var<'t, f64> {
        let (tape, bones) = (pose.tape(), self.parents.len());
        let turns = euler(self.angles(pose));
        let (axes, origins) = (self.relatives.slice(2, ..3), self.relatives.slice(2, 3..));
        let relatives = Var::concat(&[tape.constant(axes).matmul(turns), tape.constant(origins)], 2);
        let mut absolutes: Vec<Var<f64>> = Vec::with_capacity(bones);
        for (bone, parent) in self.parents.iter().enumerate() {
            let relative = relatives.index_axis(0, bone as isize);
            absolutes.push(parent.map_or(relative, |parent| absolutes[parent].matmul(relative)));
        }
        let transforms = Var::stack(&absolutes, 0).matmul(tape.constant(self.inverses.clone()));
        transforms.slice(1, ..3).permute(&[1, 0, 2]).reshape(&[3, 4 * bones])
    }

    /// Where the vertices are in a pose, one in a column: each moves with its bones, by its weights.
    fn vertices<'t>(&self, pose: Var<'t, f64>) -> Var<'t, f64> {
        let tape = pose.tape();
        let weighted = self.weights.unsqueeze(2) * self.positions.unsqueeze(1);
        let weighted = weighted.reshape(&[weighted.shape()[0], 4 * self.parents.len()]).t().contiguous();
        let mut all = self.transforms(pose).matmul(tape.constant(weighted));
        if self.mirrored {
            all = all * tape.constant(tensor![[-1.0], [1.0], [1.0]]);
        }
        turned(pose.slice(0, ..3)).matmul(all) + pose.slice(0, 3..6).unsqueeze(1)
    }

    /// The distances of the observed points, one in a column, from the places in their triangles, all of which are moved
    /// by `x[1]`. Each distance depends on its own place alone, so the derivatives by that one move are the derivatives by
    /// each place.
    fn distances<'t>(&self, x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let vertices = self.vertices(x[0]);
        let tape = vertices.tape();
        let near = |corner: &Tensor<i64>| vertices.take(1, corner.clone());
        let surface = match &self.corners[..] {
            [a, b, c] => {
                let places = tape.constant(self.places.t().contiguous()) + x[1].unsqueeze(1);
                let (u, v) = (places.index_axis(0, 0), places.index_axis(0, 1));
                near(a) * u + near(b) * v + near(c) * (1.0 - u - v)
            }
            corners => near(&corners[0]),
        };
        tape.constant(self.points.t().contiguous()) - surface
    }
}

/// Turns about x, then y, then z, by the angles in the rows: one matrix for each column.
fn euler<'t>(angles: Var<'t, f64>) -> Var<'t, f64> {
    let [(sx, cx), (sy, cy), (sz, cz)] = [0, 1, 2].map(|axis| {
        let angle = angles.index_axis(0, axis);
        (angle.sin(), angle.cos())
    });
    #[rustfmt::skip]
    let elements = [
        cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx,
        sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx,
        -sy, cy * sx, cy * cx,
    ];
    Var::stack(&elements, 1).reshape(&[angles.shape()[1], 3, 3])
}

/// The turn about an axis by its length: none if that is nearly 0.
fn turned<'t>(axis: Var<'t, f64>) -> Var<'t, f64> {
    let angle = axis.norm(2.0);
    let tiny = angle.is_lt(1e-4);
    let unit = axis / tiny.choose(angle.full_like(1.0), angle);
    let (s, c) = (angle.sin(), angle.cos());
    let [x, y, z] = [0, 1, 2].map(|i| unit.index_axis(0, i));
    #[rustfmt::skip]
    let elements = [
        x * x + (1.0 - x * x) * c, x * y * (1.0 - c) - z * s, x * z * (1.0 - c) + y * s,
        x * y * (1.0 - c) + z * s, y * y + (1.0 - y * y) * c, y * z * (1.0 - c) - x * s,
        x * z * (1.0 - c) - y * s, z * y * (1.0 - c) + x * s, z * z + (1.0 - z * z) * c,
    ];
    let none = axis.tape().constant(Tensor::eye(3));
    tiny.choose(none, Var::stack(&elements, 0).reshape(&[3, 3]))
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let hand = Hand::read(input)?;
    let at = [&hand.pose, &Tensor::zeros(&[2])];
    let mut value = recorded(|x| vec![hand.distances(x)]);
    let inputs = if hand.corners.len() == 1 { 1 } else { 2 };
    let mut slopes = recorded(|x| {
        let slopes = jacobian_by(Mode::Forward, |x| hand.distances(x), &x[..inputs]);
        slopes.expect("the function stays on its tape")
    });
    match function {
        "objective" => Reply::timed(input, || value(&at), |y| json!(y[0].t().to_vec())),
        "jacobian" => Reply::timed(
            input,
            || slopes(&at),
            |dy| {
                // The suite wants one row for each distance, and the derivatives by the place before those by the pose.
                let columns: Vec<Tensor<f64>> = dy.iter().rev().map(|dy| dy.permute(&[1, 0, 2])).collect();
                let all = Tensor::concat(&columns, 2);
                super::input::json(&all.reshape(&[all.shape()[0] * 3, all.shape()[2]]))
            },
        ),
        _ => unknown(function),
    }
}
