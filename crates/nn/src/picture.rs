//! Pictures of a network: the tape of a pass, with the parameters under their names and a box around each layer.

use crate::pass::Note;
use crate::{Parameters, Pass, Path};
use autograd::{Drawing, Float, Var};
use std::collections::HashMap;

impl<'t, T: Float> Pass<'t, T> {
    /// A picture of the tape of this pass: the model's parameters have their names, and its layers are boxes within boxes,
    /// as their paths say. The pass must be [`noting`](Pass::noting). The options and formats are those of [`Drawing`].
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Module, Pass, layer::Mlp};
    /// let model = Mlp::new(&[4, 3, 2]).build::<f32>();
    /// let tape = Tape::new();
    /// let mut pass = Pass::train(&tape, Rng::new(0)).noting();
    /// let loss = model.forward(tape.constant(Tensor::ones(&[8, 4])).named("x"), &mut pass).square().mean();
    /// let picture = pass.drawing(&model).backward(loss).to_dot();
    /// assert!(picture.contains("label=\"0: Linear(4, 3)\"") && picture.contains("label=\"2.bias\\n[2]\""));
    /// ```
    /// The box of a layer begins at its first parameter, or where the layer before it ends if its parameters are on the tape
    /// already. Layers without parameters, which have no path, are drawn in the box that the layers around them are in.
    pub fn drawing(&self, model: &(impl Parameters<T> + ?Sized)) -> Drawing<'t, T> {
        let mut names: HashMap<u64, String> = HashMap::new();
        model.visit(&mut Path::default(), &mut |name, param| {
            if let Some(var) = self.tape().find(param.key()) {
                var.named(name);
            }
            names.insert(param.key(), name.to_owned());
        });
        let notes = self.notes.as_deref().unwrap_or_default();
        let places: Vec<&str> =
            notes.iter().map(|note| note.place(|key| names.get(&key).map(String::as_str))).collect();
        let (mut drawing, mut start) = (self.tape().drawing(), 0);
        for (i, note) in notes.iter().enumerate() {
            let nodes = self.recorded_since(start, note);
            drawing = match places[i] {
                "" => drawing.group(&surroundings(&places, i), "", &nodes),
                place => drawing.group(place, &note.layer, &nodes),
            };
            start = start.max(note.at + 1);
        }
        drawing
    }

    /// What a layer recorded, if it began at `start` or later: from its first parameter on, which layers record first.
    fn recorded_since(&self, start: usize, note: &Note) -> Vec<Var<'t, T>> {
        let own = note.parameters.iter().filter_map(|(key, _)| Some(self.tape().find(*key)?.id()));
        let first = own.filter(|id| (start..note.at).contains(id)).min().unwrap_or(start);
        (first..=note.at).filter_map(|id| self.tape().get(id)).collect()
    }
}

/// The common prefix of the paths of the layers before and after the `i`-th, without their own names.
fn surroundings(places: &[&str], i: usize) -> String {
    let parts = |place: &&&str| !place.is_empty();
    let before = places[..i].iter().rev().find(parts).copied().unwrap_or("");
    let after = places[i..].iter().find(parts).copied().unwrap_or("");
    let own = |place: &str| place.rsplit_once('.').map_or(String::new(), |(around, _)| around.to_owned());
    // The module around the layer before ends later: the layer is still in it.
    if before.strip_prefix(after).is_some_and(|rest| rest.starts_with('.')) {
        return own(before);
    }
    let (before, after) = (own(before), own(after));
    let same = before.split('.').zip(after.split('.')).take_while(|(a, b)| a == b).map(|(a, _)| a);
    same.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Module;
    use crate::layer::{Activation, Linear, Sequential};
    use autograd::{Rng, Tape, Tensor};

    #[test]
    fn layers_are_boxes_within_the_boxes_of_their_paths() {
        let rng = &mut Rng::new(0);
        let block = || Sequential::<f64>::new().then(Linear::new(3, 3, &mut Rng::new(1))).then(Activation::Relu);
        let model = Sequential::new().then(block().then(Linear::new(3, 3, rng))).then(Linear::new(3, 1, rng));
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape).noting();
        let loss = model.forward(tape.constant(Tensor::ones(&[2, 3])).named("x"), &mut pass).sum();
        let picture = pass.drawing(&model).of(loss).to_mermaid();
        let outline: Vec<&str> =
            picture.lines().map(str::trim).filter(|line| line.starts_with("subgraph") || *line == "end").collect();
        let expected = [
            "subgraph g0[\"0\"]",
            "subgraph g1[\"0: Linear(3, 3)\"]",
            "end",
            "subgraph g2[\"2: Linear(3, 3)\"]",
            "end",
            "end",
            "subgraph g3[\"1: Linear(3, 1)\"]",
            "end",
        ];
        assert_eq!(outline, expected, "{picture}");
        let in_block = picture.lines().find(|line| line.contains("max(")).unwrap();
        assert!(in_block.starts_with("    n"), "the activation is in the block, beside its layers: {in_block}");
        assert!(picture.contains("(\"0.2.weight<br>[3, 3]\")"));
    }

    #[test]
    fn a_layer_without_a_path_stays_in_the_module_around_it() {
        let cases = [
            (["0", "", "2"], ""),
            (["0.0", "", "0.2"], "0"),
            (["0.inner.0", "", "0"], "0.inner"),
            (["0.0", "", "1.0"], ""),
            (["", "", ""], ""),
        ];
        for (places, expected) in cases {
            assert_eq!(surroundings(&places, 1), expected, "{places:?}");
        }
    }

    #[test]
    fn a_pass_that_notes_nothing_is_drawn_without_boxes() {
        let model = Linear::<f64>::new(3, 1, &mut Rng::new(0));
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape);
        model.forward(tape.constant(Tensor::ones(&[2, 3])), &mut pass);
        let picture = pass.drawing(&model).to_mermaid();
        assert!(!picture.contains("subgraph") && picture.contains("weight"));
    }

    #[test]
    fn equal_layers_are_drawn_once() {
        let rng = &mut Rng::new(0);
        let mut model = Sequential::<f64>::new();
        for _ in 0..12 {
            model = model.then(Linear::new(4, 4, rng)).then(Activation::Tanh);
        }
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape).noting();
        model.forward(tape.constant(Tensor::ones(&[2, 4])).named("x"), &mut pass);
        let picture = pass.drawing(&model).to_mermaid();
        assert!(picture.contains("× 12") && picture.matches("weight").count() <= 2, "{picture}");
    }
}
