//! The structure of a picture without its numbers: which nodes are drawn, which represent repetitions, and the groups that
//! they are in. Nothing here depends on the number type.

use crate::draw::{Group, Kind, Link, Node, Scene, fold, numbers};
use crate::op::Op;
use crate::tape::Inputs;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::Location;

/// A node of the tape without its numbers.
pub(super) struct Raw {
    pub(super) op: Op,
    /// The name of the op or of the user's rule.
    pub(super) what: &'static str,
    pub(super) inputs: Inputs,
    pub(super) shape: Vec<usize>,
    pub(super) line: &'static Location<'static>,
    /// The user's name for it.
    pub(super) name: Option<String>,
    /// Its number, if it is a constant without a name: it appears in formulas and is not drawn.
    pub(super) number: Option<f64>,
}

impl Raw {
    pub(super) fn name(&self, id: usize) -> String {
        match (&self.name, self.number) {
            (Some(name), _) => name.clone(),
            (None, Some(number)) => numbers::number(number),
            (None, None) => format!("#{id}"),
        }
    }

    /// The same number for nodes that look the same: names and paths of repeated layers differ in digits only.
    fn looks(&self, path: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).for_each(|c| c.hash(&mut hasher));
        letters(self.name.as_deref().unwrap_or(""));
        letters(path);
        (self.what, &self.shape, self.line.file(), self.line.line(), self.line.column()).hash(&mut hasher);
        hasher.finish()
    }
}

/// Nodes that belong together.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    /// The names of the groups, from the outside in, joined by dots.
    pub(super) path: String,
    /// A description of the innermost group.
    pub(super) label: String,
    pub(super) ids: Vec<usize>,
}

/// What a picture shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Show only the nodes that this node depends on.
    pub(super) output: Option<u32>,
    pub(super) values: bool,
    /// Show the backward pass from the output.
    pub(super) backward: bool,
    /// Draw repeated blocks once if there are more nodes than this.
    pub(super) unfolded: usize,
    pub(super) groups: Vec<Grouping>,
}

/// The nodes of a scene, and where each node of the tape is in it.
pub(super) struct Skeleton {
    pub(super) scene: Scene,
    /// The id of each drawn node.
    pub(super) ids: Vec<u32>,
}

/// How many times a block must occur to be drawn once.
const REPEATS: usize = 3;

pub(super) fn skeleton(raw: &[Raw], wanted: &Wanted) -> Skeleton {
    let needed = needed(raw, wanted.output);
    let drawn = |id: &usize| needed[*id] && (raw[*id].number.is_none() || wanted.output == Some(*id as u32));
    let mut ids: Vec<usize> = (0..raw.len()).filter(drawn).collect();
    let mut paths = vec![""; raw.len()];
    for grouping in &wanted.groups {
        grouping.ids.iter().filter(|&&id| id < raw.len()).for_each(|&id| paths[id] = &grouping.path);
    }
    let mut paths: Vec<Vec<String>> =
        paths.into_iter().map(|path| path.split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()).collect();
    // The node that is drawn in place of each.
    let mut stand_in: Vec<usize> = (0..raw.len()).collect();
    if ids.len() > wanted.unfolded {
        let looks: Vec<u64> = ids.iter().map(|&id| raw[id].looks(&paths[id].join("."))).collect();
        let repeats = fold::repeats(&looks, REPEATS);
        let mut keep = vec![true; ids.len()];
        for repeat in repeats.iter().filter(|repeat| (repeat.times - 1) * repeat.period > REPEATS) {
            let block = &ids[repeat.start..][..repeat.period];
            put_in_block(&mut paths, block, repeat.times);
            for at in repeat.start + repeat.period..repeat.start + repeat.period * repeat.times {
                keep[at] = false;
                stand_in[ids[at]] = ids[repeat.start + (at - repeat.start) % repeat.period];
            }
        }
        let mut keep = keep.into_iter();
        ids.retain(|_| keep.next() == Some(true));
    }
    let mut index: Vec<Option<usize>> = vec![None; raw.len()];
    ids.iter().enumerate().for_each(|(at, &id)| index[id] = Some(at));
    let (groups, of) = groups(&ids, &paths, &wanted.groups);
    let nodes = ids.iter().zip(of).map(|(&id, group)| {
        let mut node = node(raw, id, &|input| index[stand_in[input]].filter(|at| Some(*at) < index[id]));
        node.group = group;
        if wanted.output == Some(id as u32) {
            node.kind = Kind::Output;
        }
        node
    });
    let output = wanted.output.map_or_else(String::new, |id| raw[id as usize].name(id as usize));
    let scene = Scene { nodes: nodes.collect(), groups, backward: wanted.backward, output };
    Skeleton { scene, ids: ids.into_iter().map(|id| id as u32).collect() }
}

/// The nodes that the output depends on; without an output, all nodes.
fn needed(raw: &[Raw], output: Option<u32>) -> Vec<bool> {
    let Some(output) = output else { return vec![true; raw.len()] };
    let mut needed = vec![false; raw.len()];
    needed[output as usize] = true;
    for id in (0..=output as usize).rev() {
        if needed[id] {
            raw[id].inputs.iter().for_each(|&input| needed[input as usize] = true);
        }
    }
    needed
}

/// Every node separately, without numbers.
pub(super) fn nodes(raw: &[Raw]) -> Vec<Node> {
    (0..raw.len()).map(|id| node(raw, id, &Some)).collect()
}

/// A node without its numbers.
fn node(raw: &[Raw], id: usize, drawn: &dyn Fn(usize) -> Option<usize>) -> Node {
    let Raw { op, what, inputs, shape, line, .. } = &raw[id];
    let names: Vec<String> = inputs.iter().map(|&i| raw[i as usize].name(i as usize)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let name = raw[id].name(id);
    let link = |(k, &input): (usize, &u32)| Link {
        from: drawn(input as usize),
        name: names[k].to_owned(),
        rule: op.rule_text(k, &names, &name, "ḡ").unwrap_or_default(),
        slope: op.slope_text(k, &names, &name).unwrap_or_default(),
        ..Link::default()
    };
    let links = inputs.iter().enumerate().map(link).collect();
    let kind = match op {
        Op::Leaf => Kind::Variable,
        Op::Const => Kind::Constant,
        _ => Kind::Computed,
    };
    let formula = if kind == Kind::Computed { formula(op, what, &names) } else { String::new() };
    let (shape, line) = (shape.clone(), format!("{}:{}", line.file(), line.line()));
    Node { kind, name, formula, shape, line, links, ..Node::default() }
}

/// How a node is computed: as mathematics if that is short, else as a call.
fn formula(op: &Op, what: &str, names: &[&str]) -> String {
    const SHORT: usize = 30;
    let call = || format!("{what}({})", names.join(", "));
    if matches!(op, Op::Custom { .. }) {
        return call();
    }
    let text = op.value_text(names);
    if text.chars().count() <= SHORT { text } else { call() }
}

/// Puts a repeated block into its own group, within the groups that contain all its nodes.
fn put_in_block(paths: &mut [Vec<String>], block: &[usize], times: usize) {
    let inner = block.iter().filter(|&&id| !paths[id].is_empty());
    let common = inner.clone().fold(None, |common: Option<Vec<String>>, &id| {
        let path = &paths[id];
        let Some(common) = common else { return Some(path.clone()) };
        Some(common.iter().zip(path).take_while(|(a, b)| a == b).map(|(a, _)| a.clone()).collect())
    });
    let depth = common.as_ref().map_or(0, Vec::len);
    for &id in block {
        // A node without a group, such as the input of a layer, stays in the block.
        if paths[id].len() < depth {
            paths[id] = common.clone().unwrap_or_default();
        }
        paths[id].insert(depth, format!("× {}", crate::draw::text::count(times)));
    }
}

/// The groups of the drawn nodes, and the group of each. A group that contains nothing but another is joined with it.
fn groups(ids: &[usize], paths: &[Vec<String>], given: &[Grouping]) -> (Vec<Group>, Vec<Option<usize>>) {
    let mut tree: Vec<(String, Group)> = Vec::new();
    let mut found: HashMap<String, usize> = HashMap::new();
    let mut of: Vec<Option<usize>> = Vec::with_capacity(ids.len());
    for &id in ids {
        let (mut parent, mut key) = (None, String::new());
        for part in &paths[id] {
            key += if key.is_empty() { "" } else { "." };
            key += part;
            let new = || {
                let kind = given.iter().find(|group| group.path == key && !group.label.is_empty());
                let label = kind.map_or_else(String::new, |group| format!(": {}", group.label));
                tree.push((part.clone(), Group { label, parent }));
                tree.len() - 1
            };
            parent = Some(*found.entry(key.clone()).or_insert_with(new));
        }
        of.push(parent);
    }
    let lonely = |g: usize| {
        let inner = (0..tree.len()).filter(|&c| tree[c].1.parent == Some(g)).collect::<Vec<_>>();
        (inner.len() == 1 && !of.contains(&Some(g))).then(|| inner[0])
    };
    let into: Vec<Option<usize>> = (0..tree.len()).map(lonely).collect();
    let mut kept: Vec<Group> = Vec::new();
    let mut place: Vec<Option<usize>> = vec![None; tree.len()];
    let mut before: Vec<(String, Option<usize>)> = vec![(String::new(), None); tree.len()];
    for (g, (part, Group { label, parent })) in tree.iter().enumerate() {
        // The label so far of the groups that were joined with this one, and the group around them.
        let joined = into.iter().position(|inner| *inner == Some(g));
        let (start, outer) = match joined {
            Some(outer) => before[outer].clone(),
            None => (String::new(), parent.and_then(|p| place[p])),
        };
        let dot =
            if start.is_empty() || part.starts_with('×') { if start.is_empty() { "" } else { " " } } else { "." };
        let text = format!("{start}{dot}{part}{label}");
        if into[g].is_some() {
            before[g] = (text, outer);
        } else {
            kept.push(Group { label: text, parent: outer });
            place[g] = Some(kept.len() - 1);
        }
    }
    (kept, of.into_iter().map(|g| g.and_then(|g| place[g])).collect())
}
