//! Hooks: read or replace the output of a layer, and its cotangent, by the layer's path.

use crate::pass::Hook;
use crate::{Parameters, Pass, Path};
use autograd::{Float, Var};
use std::collections::HashMap;

impl<'t, T: Float> Pass<'t, T> {
    /// Passes the output of the layer at `path` through `f`, each time that the layer is called in this pass. `f` reads or
    /// replaces the activation, and by [`Var::inspect_cotangent`] and [`Var::map_cotangent`] its cotangent.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Module, Pass, layer::{Linear, Sequential}};
    /// let rng = &mut Rng::new(0);
    /// let encoder = Sequential::<f64>::new().then(Linear::new(3, 4, rng)).then(Linear::new(4, 2, rng));
    /// let model = Sequential::new().then(encoder).then(Linear::new(2, 1, rng));
    /// let tape = Tape::new();
    /// let mut pass = Pass::train(&tape, Rng::new(1));
    /// pass.hook(&model, "0.1", |y| y.map_cotangent(|g| g.clamp(-0.1, 0.1)))?;
    /// let y = model.forward(tape.constant(Tensor::ones(&[8, 3])), &mut pass);
    /// y.sum().backward();
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// A layer is identified by its parameters. Layers without parameters have no path, and layers that share all parameters,
    /// such as a sequence and the only layer in it that has parameters, share their hooks. A custom layer has hooks if its
    /// `forward` ends with [`note`](Pass::note).
    ///
    /// # Errors
    /// Returns an error that lists the paths of the model if none of its parameters is at `path`.
    pub fn hook(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        path: &str,
        f: impl FnMut(Var<'t, T>) -> Var<'t, T> + 't,
    ) -> autograd::Result<()> {
        let (mut keys, mut paths) = (Vec::new(), Vec::<String>::new());
        model.visit(&mut Path::default(), &mut |name, param| {
            let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
            let inside = name.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.starts_with('.'));
            if inside && !keys.contains(&param.key()) {
                keys.push(param.key());
            }
            if !paths.iter().any(|known| known == layer) {
                paths.push(layer.to_owned());
            }
        });
        if keys.is_empty() {
            let hint = format!("no layer with parameters is at `{path}`; there are {}", paths.join(", "));
            return Err(autograd::Error::Argument { op: "hook", hint });
        }
        self.hooks.push(Hook { keys, f: Box::new(f) });
        Ok(())
    }

    /// The outputs of the layer at `path`, one for each call that was [noted](Pass::note), in a pass that is
    /// [`noting`](Pass::noting): activations to read, and variables with respect to which to differentiate.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Module, Pass, layer::Mlp};
    /// let model = Mlp::new(&[4, 3, 2]).build::<f64>();
    /// let tape = Tape::new();
    /// let mut pass = Pass::train(&tape, Rng::new(0)).noting();
    /// let loss = model.forward(tape.constant(Tensor::ones(&[8, 4])), &mut pass).square().mean();
    /// let hidden = pass.outputs(&model, "0")[0];
    /// assert_eq!(hidden.shape().as_slice(), [8, 3]);
    /// assert_eq!(loss.backward_wrt(&[hidden]).wrt(hidden).shape(), [8, 3]);
    /// ```
    pub fn outputs(&self, model: &(impl Parameters<T> + ?Sized), path: &str) -> Vec<Var<'t, T>> {
        let mut names: HashMap<u64, String> = HashMap::new();
        model.visit(&mut Path::default(), &mut |name, param| drop(names.insert(param.key(), name.to_owned())));
        let here = |note: &&crate::pass::Note| note.place(|key| names.get(&key).map(String::as_str)) == path;
        self.notes.iter().flatten().filter(here).filter_map(|note| self.tape().get(note.at)).collect()
    }

    /// The output of a layer, after its hooks. A layer that ends with [`note`](Pass::note) does this already.
    pub(crate) fn hooked(&mut self, layer: &(impl Parameters<T> + ?Sized), output: Var<'t, T>) -> Var<'t, T> {
        if self.hooks.is_empty() {
            return output;
        }
        let mut keys = Vec::new();
        layer.visit(&mut Path::default(), &mut |_, param| {
            if keys.iter().all(|(key, _)| *key != param.key()) {
                keys.push((param.key(), param.is_alias()));
            }
        });
        self.hooks.iter_mut().filter(|hook| is_of(&hook.keys, &keys)).fold(output, |y, hook| (hook.f)(y))
    }
}

/// Whether these are the keys of a layer. A hook knows a shared parameter by only one of its places in the model.
fn is_of(hook: &[u64], layer: &[(u64, bool)]) -> bool {
    let mut known = 0;
    for (key, alias) in layer {
        match hook.contains(key) {
            true => known += 1,
            false if *alias => {}
            false => return false,
        }
    }
    known == hook.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Module;
    use crate::layer::{Linear, Sequential};
    use autograd::{Rng, Tape, Tensor, tensor};
    use std::sync::{Arc, Mutex};

    fn model() -> Sequential<f64> {
        let rng = &mut Rng::new(3);
        let encoder = Sequential::new().then(Linear::new(2, 3, rng)).then(Linear::new(3, 2, rng));
        Sequential::new().then(encoder).then(Linear::new(2, 1, rng))
    }

    #[test]
    fn activations_and_gradients_are_read_by_path() {
        let (model, tape) = (model(), Tape::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut pass = Pass::train(&tape, Rng::new(0)).noting();
        for path in ["0", "0.0", "1"] {
            let seen = seen.clone();
            let hooked = pass.hook(&model, path, move |y| {
                let (seen, id) = (seen.clone(), y.id());
                y.inspect_cotangent(move |g| seen.lock().unwrap().push((path, id, g.clone())))
            });
            hooked.unwrap();
        }
        let x = tape.constant(tensor![[1.0, -1.0], [0.5, 2.0]]);
        let y = model.forward(x, &mut pass);
        let loss = y.square().sum();
        loss.backward();
        let seen = seen.lock().unwrap().clone(); // the hooks run again below
        assert_eq!(seen.iter().map(|(path, ..)| *path).collect::<Vec<_>>(), ["1", "0", "0.0"], "from the loss back");
        for (path, id, cotangent) in &*seen {
            let at = tape.get(*id).unwrap();
            assert_eq!(loss.backward_wrt(&[at]).wrt(at), *cotangent, "{path}");
            if *path != "0" {
                let after = pass.outputs(&model, path)[0];
                assert_eq!(after.value(), at.value(), "{path}");
            }
        }
    }

    #[test]
    fn a_replaced_activation_and_cotangent_reach_the_layers_before() {
        let (model, tape) = (model(), Tape::new());
        let mut pass = Pass::train(&tape, Rng::new(0));
        pass.hook(&model, "0.1", |y| (y * 0.0).map_cotangent(|g| g * 2.0)).unwrap();
        pass.hook(&model, "0.0", |y| y.map_cotangent(|g| g * 0.0)).unwrap();
        let y = model.forward(tape.constant(Tensor::ones(&[1, 2])), &mut pass);
        let mut bias = None;
        model.visit(&mut Path::default(), &mut |name, param| {
            if name == "1.bias" {
                bias = Some(param.value().clone());
            }
        });
        assert_eq!(y.value().reshape(&[1]), bias.unwrap(), "the encoder gives zeros");
        let error = pass.hook(&model, "0.7", |y| y).unwrap_err().to_string();
        assert!(error.contains("`0.7`") && error.contains("0.0, 0.1, 1"), "{error}");
    }
}
