//! [`Contributions`]: where the derivative with respect to one input comes from, and why it is 0, huge or NaN.
//!
//! A derivative is a sum over all paths from the output to the input. If there are few, each is followed separately. If
//! there are many, as with residual connections, they are summed by their last link: the op that reads the input.

use super::collect::{bare, numbers, value};
use super::skeleton::{Raw, nodes};
use crate::draw::numbers::number;
use crate::draw::text::{aligned, markdown};
use crate::draw::{Kind, Link, Node, Numbers, ranked};
use crate::float::Float;
use crate::float::once;
use crate::sweep::{Swept, passed_on};
use crate::tape::{List, Tape};
use crate::tensor::Tensor;
use std::fmt::{self, Display, Formatter};

/// Where the derivative of one value with respect to another comes from: see [`Explanation::wrt`](super::Explanation::wrt).
/// `Display` prints it as plain text.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let x = tape.var(2.0).named("x");
/// let why = tape.explain(x.square() + x.exp()).wrt(x);
/// assert_eq!(why.rows().len(), 2); // by the square, and by the exponential
/// ```
#[derive(Clone, Debug)]
pub struct Contributions {
    /// `dy/dx`
    name: String,
    gradient: Option<Numbers>,
    rows: Vec<Contribution>,
    verdict: String,
}

/// One contribution to a derivative.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let x = tape.var(3.0);
/// let why = tape.explain(x.square()).wrt(x);
/// assert_eq!((why.rows()[0].path.as_slice(), why.rows()[0].largest), ([1, 0].as_slice(), 6.0));
/// ```
#[derive(Clone, Debug)]
pub struct Contribution {
    /// The ids of the values along the path, from the output to the input; if there are too many paths to list, only the
    /// last two: the reader of the input and the input.
    pub path: Vec<usize>,
    /// The source line of the op that reads the input.
    pub line: String,
    /// The largest magnitude among its elements; NaN if one is NaN.
    pub largest: f64,
    /// The path in words, and the numbers.
    words: String,
    numbers: Numbers,
}

/// The most paths that are followed one by one.
const PATHS: usize = 64;
/// The most values of a path that are spelled out.
const SPELLED: usize = 12;
/// The thresholds for huge and tiny derivatives, relative to the initial cotangent of the sweep.
const HUGE: f64 = 1e6;
const TINY: f64 = 1e-6;

impl Contributions {
    /// The contributions, the largest first.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let why = tape.explain(x.square() + x.exp()).wrt(x);
    /// assert_eq!(why.rows()[0].path, [3, 2, 0]); // by the exponential, #2
    /// assert_eq!(why.rows().iter().map(|row| row.largest).collect::<Vec<_>>(), [2f64.exp(), 4.0]);
    /// ```
    pub fn rows(&self) -> &[Contribution] {
        &self.rows
    }

    /// Why the derivative is 0, huge, tiny, infinite or NaN; empty if it is none of these.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(-2.0).named("x");
    /// let why = tape.explain(x.relu() * 3.0).wrt(x);
    /// assert!(why.verdict().starts_with("It is 0: it vanishes at #1 = max(x, 0)"));
    /// ```
    pub fn verdict(&self) -> &str {
        &self.verdict
    }

    /// As a table in Markdown, after the verdict.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0).named("x");
    /// let y = (x * x + 3.0 * x).named("y");
    /// assert!(tape.explain(y).wrt(x).to_markdown().contains("| 3 | y → #3 → x |"));
    /// ```
    pub fn to_markdown(&self) -> String {
        format!("{}\n\n{}", self.summary(), markdown(HEADING, &self.cells()))
    }

    fn summary(&self) -> String {
        let value = self.gradient.as_ref().map_or_else(|| "0".to_owned(), Numbers::to_string);
        let space = if self.verdict.is_empty() { "" } else { " " };
        format!("{} = {value}.{space}{}", self.name, self.verdict)
    }

    fn cells(&self) -> Vec<[String; 3]> {
        self.rows.iter().map(|row| [row.numbers.to_string(), row.words.clone(), row.line.clone()]).collect()
    }
}

const HEADING: [&str; 3] = ["contribution", "path", "line"];

impl Display for Contributions {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "{}", self.summary())?;
        if self.rows.is_empty() { Ok(()) } else { f.write_str(&aligned(HEADING, &self.cells())) }
    }
}

/// The cotangent that flowed along one edge.
struct Flow {
    /// The node and the position of the input.
    id: u32,
    input: usize,
    arrived: Numbers,
    passed: Numbers,
}

/// Everything found on the paths from the output back to the input.
#[derive(Default)]
struct Found {
    /// In the order of the sweep.
    flows: Vec<Flow>,
    gradient: Option<Numbers>,
    /// The paths, and the contribution of each.
    paths: Vec<(Vec<u32>, Numbers)>,
    /// The first value that is not finite although those that it is computed from are.
    broken: Option<u32>,
}

once! {
    pub(super) fn contributions<T>(tape: &Tape<T>, y: u32, x: u32) -> Contributions {
        let list = tape.filled(0..=y);
        let raw: Vec<_> = (0..=y.max(x)).map(|id| bare(&list, id)).collect();
        let depends = dependents(&raw, x);
        let flows = |id: u32| depends[id as usize] && list.active(id);
        let mut found = Found::default();
        if x <= y && flows(y) && flows(x) {
            sweep(&list, y, x, &flows, &mut found);
        }
        let finite = |id: u32| value(&list, id, &raw[id as usize].op).is_none_or(|value| value.is_finite());
        found.broken = (x..=y).find(|&id| depends[id as usize] && !finite(id));
        told(&nodes(&raw), y, x, found, &depends)
    }
}

/// The backward pass from y, restricted to edges on paths to x.
fn sweep<T: Float>(list: &List<T>, y: u32, x: u32, on_way: &dyn Fn(u32) -> bool, found: &mut Found) {
    let ones = Tensor::full(list.value(y).shape(), T::one());
    let mut bars: Vec<Option<Tensor<T>>> = vec![None; y as usize + 1];
    bars[y as usize] = Some(ones.clone());
    for id in (x..=y).rev() {
        let Some(g) = bars[id as usize].take() else { continue };
        if id == x {
            found.gradient = Some(numbers(&g));
            break;
        }
        for (input, d) in passed_on(list, id, &g).into_iter().enumerate() {
            let to = list.inputs(id)[input];
            if let Some(d) = d.filter(|_| on_way(to)) {
                let (arrived, passed) = (numbers(&g), numbers(&d));
                if to == x {
                    found.paths.push((vec![id, x], passed.clone()));
                }
                found.flows.push(Flow { id, input, arrived, passed });
                Tensor::contribute(&mut bars[to as usize], d);
            }
        }
    }
    let ways = |id: u32| list.inputs(id).iter().copied().filter(|&input| on_way(input) && input >= x);
    let mut count = vec![0_usize; y as usize + 1];
    for id in x..=y {
        count[id as usize] = if id == x { 1 } else { ways(id).fold(0, |sum, i| count[i as usize].saturating_add(sum)) };
    }
    if count[y as usize] <= PATHS {
        found.paths.clear();
        let mut open = vec![(vec![y], ones)];
        while let Some((path, g)) = open.pop() {
            let id = path[path.len() - 1];
            if id == x {
                found.paths.push((path, numbers(&g)));
                continue;
            }
            for (&to, d) in list.inputs(id).iter().zip(passed_on(list, id, &g)) {
                if let Some(d) = d.filter(|_| on_way(to) && count[to as usize] > 0) {
                    open.push((path.iter().copied().chain([to]).collect(), d));
                }
            }
        }
    }
}

/// Whether each node is computed from x, or is x.
fn dependents(raw: &[Raw], x: u32) -> Vec<bool> {
    let mut depends = vec![false; raw.len()];
    depends[x as usize] = true;
    for id in x as usize + 1..raw.len() {
        depends[id] = raw[id].inputs.iter().any(|&input| depends[input as usize]);
    }
    depends
}

/// The findings, in words.
fn told(nodes: &[Node], y: u32, x: u32, found: Found, depends: &[bool]) -> Contributions {
    let verdict = verdict(nodes, y, x, &found, depends);
    let name = |id: u32| nodes[id as usize].name.clone();
    let row = |(path, numbers): (Vec<u32>, Numbers)| {
        let whole = path[0] == y;
        let names: Vec<String> = match path.len() {
            n if n <= SPELLED => path.iter().map(|&id| name(id)).collect(),
            n => {
                let hidden = format!("({} more)", n - SPELLED);
                let (first, last) = (&path[..SPELLED / 2], &path[n - SPELLED / 2..]);
                first.iter().map(|&id| name(id)).chain([hidden]).chain(last.iter().map(|&id| name(id))).collect()
            }
        };
        let start = if whole { String::new() } else { "all paths → ".to_owned() };
        let reader = path[path.len().saturating_sub(2)] as usize;
        Contribution {
            words: format!("{start}{}", names.join(" → ")),
            line: nodes[reader].line.clone(),
            largest: numbers.largest(),
            path: path.into_iter().map(|id| id as usize).collect(),
            numbers,
        }
    };
    let mut rows: Vec<Option<Contribution>> = found.paths.into_iter().map(row).map(Some).collect();
    let size = |row: &Option<Contribution>| match row {
        Some(row) if !row.largest.is_nan() => -row.largest,
        _ => f64::NEG_INFINITY,
    };
    let sizes: Vec<f64> = rows.iter().map(size).collect();
    let rows = ranked(&sizes).into_iter().filter_map(|k| rows[k].take()).collect();
    Contributions { name: format!("d{}/d{}", name(y), name(x)), gradient: found.gradient, rows, verdict }
}

/// A node with its source line.
fn place(node: &Node) -> String {
    format!("{} ({})", node.title(), node.line)
}

fn verdict(nodes: &[Node], y: u32, x: u32, found: &Found, depends: &[bool]) -> String {
    let at = |flow: &Flow| place(&nodes[flow.id as usize]);
    let Some(gradient) = &found.gradient else { return unreached(nodes, y, x, depends) };
    if !gradient.is_finite() {
        let what = if gradient.nans > 0 { "NaN" } else { "infinite" };
        if let Some(id) = found.broken {
            return format!("It is {what}: already in the forward pass, {} is not finite.", place(&nodes[id as usize]));
        }
        if let Some(flow) = found.flows.iter().find(|flow| flow.arrived.is_finite() && !flow.passed.is_finite()) {
            let link = &nodes[flow.id as usize].links[flow.input];
            return format!(
                "It is {what}: {} passes on {} where {} arrives, by its rule {}.",
                at(flow),
                flow.passed,
                flow.arrived,
                link.rule
            );
        }
        return format!("It is {what}: finite cotangents overflow when they are added up.");
    }
    if gradient.is_zero() {
        let stops = found.flows.iter().filter(|flow| !flow.arrived.is_zero() && flow.passed.is_zero());
        let stops: Vec<String> = stops.map(at).collect();
        return match stops.len() {
            0 => "It is 0: the contributions cancel one another.".to_owned(),
            n if n > 3 => {
                format!("It is 0: it vanishes at {}, and at {} other places.", stops[..3].join(", at "), n - 3)
            }
            _ => format!("It is 0: it vanishes at {}.", stops.join(", at ")),
        };
    }
    let gain = |flow: &Flow| flow.passed.largest() / flow.arrived.largest();
    let extreme = |sign: f64| {
        let flows: Vec<&Flow> = found.flows.iter().filter(|flow| gain(flow).is_finite()).collect();
        let gains: Vec<f64> = flows.iter().map(|flow| -sign * gain(flow)).collect();
        let told = ranked(&gains).into_iter().take(3).map(|k| flows[k]);
        let told = told.map(|flow| format!("by {} at {}", number(gain(flow)), at(flow)));
        told.collect::<Vec<_>>().join(", ")
    };
    match gradient.largest() {
        huge if huge >= HUGE => format!("It is huge: it grows most {}.", extreme(1.0)),
        tiny if tiny <= TINY => format!("It is tiny: it shrinks most {}.", extreme(-1.0)),
        _ => String::new(),
    }
}

/// Why no cotangent arrives at x.
fn unreached(nodes: &[Node], y: u32, x: u32, depends: &[bool]) -> String {
    let [of, with] = [y, x].map(|id| &nodes[id as usize]);
    if x > y || !depends[y as usize] {
        return format!("{} does not depend on {}.", of.name, with.name);
    }
    if with.formula.is_empty() && with.kind == Kind::Constant {
        return format!("{} is a constant: no derivative flows to it.", place(with));
    }
    let stops = (x as usize + 1..=y as usize).filter(|&id| {
        let on_way = |link: &Link| link.rule.is_empty() && link.from.is_some_and(|from| depends[from]);
        depends[id] && nodes[id].links.iter().any(on_way)
    });
    let stops: Vec<String> = stops.take(3).map(|id| place(&nodes[id])).collect();
    if stops.is_empty() {
        return format!("{} is computed from constants only: no derivative flows to it.", place(with));
    }
    format!("It is 0: no derivative flows through {}.", stops.join(", nor through "))
}
