//! Parses a PyTorch module as shown by `print` into a tree: `Sequential(\n  (0): Linear(in_features=10, …)\n  …)`.

/// A layer: its class, its arguments as text, and the layers inside by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Printed {
    pub class: String,
    /// Name (empty for a positional argument) and value.
    args: Vec<(String, String)>,
    pub inner: Vec<(String, Printed)>,
}

impl Printed {
    /// The tree of a printed module.
    pub fn parse(text: &str) -> Printed {
        let mut reader = Reader { text, at: 0 };
        let module = reader.module();
        assert_eq!(reader.rest().trim(), "", "after the module");
        module
    }

    /// The `n`-th positional argument.
    pub fn nth(&self, n: usize) -> &str {
        let plain = self.args.iter().filter(|(name, _)| name.is_empty()).nth(n);
        plain.map_or_else(|| panic!("{self:?} has no argument {n}"), |(_, value)| value)
    }

    /// The argument of this name, if it is printed.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A size by name, or by position if the name is not printed.
    pub fn size(&self, name: &str, place: usize) -> usize {
        whole(self.get(name).unwrap_or_else(|| self.nth(place)))
    }

    /// A number by name.
    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.get(name)
            .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} of {}", self.class)))
    }

    /// A boolean by name.
    pub fn truth(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |text| text == "True")
    }

    /// One number for all axes, or one for each: `2` or `(2, 3)`.
    pub fn sizes<const D: usize>(&self, name: &str, default: usize) -> [usize; D] {
        let Some(text) = self.get(name) else { return [default; D] };
        match list(text)[..] {
            [one] => [one; D],
            ref several => several.try_into().unwrap_or_else(|_| panic!("{name}={text} of {}", self.class)),
        }
    }

    /// Checks that only these arguments are printed: an unknown argument must not be ignored.
    pub fn knows(&self, names: &[&str]) {
        let odd = self.args.iter().find(|(name, _)| !name.is_empty() && !names.contains(&name.as_str()));
        assert_eq!(odd, None, "an argument of {} that the tests do not know", self.class);
    }
}

/// `7` or `(3, 4)` or `(3,)`.
pub fn list(text: &str) -> Vec<usize> {
    text.trim_matches(|c| "()[]".contains(c)).split(',').map(str::trim).filter(|t| !t.is_empty()).map(whole).collect()
}

fn whole(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a size"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn expect(&mut self, text: &str) {
        assert!(self.rest().starts_with(text), "expected {text:?} before {:?}", self.rest());
        self.at += text.len();
    }

    /// Reads up to one of these characters, outside brackets and quotes.
    fn until(&mut self, ends: &[char]) -> &'a str {
        let (rest, mut depth, mut quoted) = (self.rest(), 0, false);
        let end = rest.find(|c| {
            quoted ^= c == '\'';
            let ends_here = depth == 0 && !quoted && ends.contains(&c);
            depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
            ends_here
        });
        let end = end.unwrap_or_else(|| panic!("{rest:?} does not end"));
        self.at += end;
        rest[..end].trim()
    }

    fn module(&mut self) -> Printed {
        let class = self.until(&['(']).to_owned();
        let (mut args, mut inner) = (Vec::new(), Vec::new());
        self.expect("(");
        loop {
            self.skip_space();
            let rest = self.rest();
            if rest.starts_with(')') {
                self.at += 1;
                return Printed { class, args, inner };
            }
            // `(name): Layer(…)`, where an argument that is a tuple has no colon after it.
            let named = rest
                .strip_prefix('(')
                .and_then(|rest| rest.split_once("): "))
                .filter(|(name, _)| !name.contains([',', '(', ')', '\n']));
            if let Some((name, _)) = named {
                self.at += name.len() + "(): ".len();
                inner.extend(self.layers(name));
                continue;
            }
            let arg = self.until(&[',', ')', '\n']);
            let (name, value) = arg.split_once('=').unwrap_or(("", arg));
            args.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            self.skip_space();
            if self.rest().starts_with(',') {
                self.at += 1;
            }
        }
    }

    /// One layer with this name, or several: `(0-5): 6 x Layer(…)`.
    fn layers(&mut self, name: &str) -> Vec<(String, Printed)> {
        let Some((count, _)) = self.rest().split_once(" x ").filter(|(count, _)| count.parse::<usize>().is_ok()) else {
            return vec![(name.to_owned(), self.module())];
        };
        self.at += count.len() + " x ".len();
        let layer = self.module();
        let (first, last) = name.split_once('-').expect("a range of names");
        (whole(first)..=whole(last)).map(|i| (i.to_string(), layer.clone())).collect()
    }
}

#[test]
fn printed_forms_of_torch_are_parsed() {
    let module = Printed::parse(
        "Net(\n  (a): Sequential(\n    (0): Conv2d(1, 6, kernel_size=(5, 5), padding='same')\n    (1): ReLU()\n  )\n  \
         (layers): ModuleList(\n    (0-1): 2 x LayerNorm((12,), eps=1e-05)\n  )\n)",
    );
    let names = |printed: &Printed| printed.inner.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&module), names(&module.inner[1].1)),
        (vec!["a".into(), "layers".into()], vec!["0".to_string(), "1".into()])
    );
    let conv = &module.inner[0].1.inner[0].1;
    assert_eq!((conv.nth(1), conv.sizes::<2>("kernel_size", 0), conv.get("padding")), ("6", [5, 5], Some("same")));
    let norm = &module.inner[1].1.inner[1].1;
    assert_eq!((list(norm.nth(0)), norm.number("eps", 0.0)), (vec![12], 1e-5));
}
