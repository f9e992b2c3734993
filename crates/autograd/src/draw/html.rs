//! A self-contained page of HTML: the scene as data, and the script that draws it and walks the backward pass. Repeated
//! texts, such as source lines, are stored once, so that a graph of five hundred nodes stays below 200 KB.

use super::layout::{Place, layout};
use super::text::{json, shortened, width, xml};
use super::{Kind, Link, Node, Numbers, Scene};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn write(scene: &Scene, title: &str) -> String {
    let parts = [("$style", STYLE.to_owned()), ("$data", data(scene)), ("$script", SCRIPT.to_owned())];
    let page = PAGE.replace("$title", &xml(title));
    // The parts contain the user's texts, in which nothing must be replaced.
    let (mut out, mut rest) = (String::new(), page.as_str());
    for (mark, part) in parts {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        out += before;
        out += &part;
        rest = after;
    }
    out + rest
}

/// The size of each node's box: its title, its value, and the cotangent that arrives.
fn sizes(scene: &Scene) -> Vec<[f64; 2]> {
    let size = |node: &Node| {
        let cotangent = node.cotangent.as_ref().map_or_else(String::new, |g| format!("ḡ = {g}"));
        let lines = [node.title(), node.caption(), cotangent].map(|line| shortened(&line, node.widest()));
        let widest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
        let count = lines.iter().filter(|line| !line.is_empty()).count();
        [(7.3 * widest as f64 + 18.0).max(44.0), 16.0 * count as f64 + 14.0]
    };
    scene.nodes.iter().map(size).collect()
}

/// The scene in JSON, as the script expects it.
fn data(scene: &Scene) -> String {
    let layout = layout(scene, &sizes(scene));
    let mut lines: Vec<&str> = Vec::new();
    let mut nodes = Vec::with_capacity(scene.nodes.len());
    for (node, place) in scene.nodes.iter().zip(&layout.nodes) {
        let known = lines.iter().position(|line| *line == node.line);
        let line = known.unwrap_or(lines.len());
        if known.is_none() {
            lines.push(&node.line);
        }
        nodes.push(node_data(node, place, line));
    }
    let edges = scene.edges().zip(&layout.edges);
    let along = |points: &[[f64; 2]]| points.iter().map(|[x, y]| format!(",{x:.0},{y:.0}")).collect::<String>();
    let edges: Vec<String> = edges.map(|((to, k, _), points)| format!("[{to},{k}{}]", along(points))).collect();
    let groups = scene.groups.iter().zip(&layout.groups);
    let groups: Vec<String> = groups.map(|(group, place)| format!("[{},{}]", json(&group.label), at(place))).collect();
    let lines: Vec<String> = lines.into_iter().map(json).collect();
    let [w, h] = layout.size.map(f64::ceil);
    let widest = scene.nodes.iter().map(Node::widest).max().unwrap_or(0);
    format!(
        "{{\"output\":{},\"widest\":{widest},\"size\":[{w},{h}],\n\"lines\":[{}],\n\"nodes\":[\n{}\n],\n\"edges\":[\n{}\n],\n\"groups\":[{}]}}",
        json(&scene.output),
        lines.join(","),
        nodes.join(",\n"),
        edges.join(",\n"),
        groups.join(",")
    )
}

fn at(Place { x, y, w, h }: &Place) -> String {
    format!("{x:.0},{y:.0},{w:.0},{h:.0}")
}

fn node_data(node: &Node, place: &Place, line: usize) -> String {
    let kind = match node.kind {
        Kind::Variable => 0,
        Kind::Constant => 1,
        Kind::Computed => 2,
        Kind::Output => 3,
    };
    let shape = if node.shape.is_empty() { node.results.clone() } else { format!("{:?}", node.shape) };
    let links: Vec<String> = node.links.iter().map(link_data).collect();
    format!(
        "[{kind},{},{},{},{},{},{},{line},[{}]]",
        json(&node.name),
        json(&node.formula),
        at(place),
        json(&shape),
        told(&node.value),
        told(&node.cotangent),
        links.join(",")
    )
}

fn link_data(link: &Link) -> String {
    let from = link.from.map_or(-1, |from| from as i64);
    if link.passes.is_none() {
        return format!("[{from},{}]", json(&link.name));
    }
    let [rule, slope] = [&link.rule, &link.slope].map(|text| json(text));
    format!("[{from},{},{rule},{slope},{},{}]", json(&link.name), told(&link.local), told(&link.passes))
}

fn told(numbers: &Option<Numbers>) -> String {
    json(&numbers.as_ref().map_or_else(String::new, Numbers::to_string))
}
