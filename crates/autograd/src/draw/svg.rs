//! SVG: the forward pass, and the backward pass beside it with the same layout and its arrows the other way round. Colors
//! follow the reader's light or dark theme; text is in a font of fixed width, so that boxes fit without measuring.

use super::layout::{Layout, Place, layout};
use super::numbers::number;
use super::text::{shortened, width, xml};
use super::{Kind, Node, Numbers, Scene};

/// The width of a character, the height of a line, and the margin of the picture and of boxes.
const CHARACTER: f64 = 7.3;
const LINE: f64 = 17.0;
const MARGIN: f64 = 16.0;
const PADDING: f64 = 9.0;
/// The distance of the two passes, and the height of their titles.
const APART: f64 = 56.0;
const TITLE: f64 = 34.0;

/// Every rule applies only to pictures of tapes, since a page may contain other pictures.
const STYLE: &str = ".tape{--bg:#fff;--ink:#1f2328;--dim:#656d76;--edge:#8c959f;--box:#fff;--var:#ddf4ff;\
--varline:#218bff;--const:#f6f8fa;--out:#dafbe1;--outline:#2da44e;--back:#fff1e5;--backline:#e16f24;--group:#f6f8fa;\
--groupline:#d0d7de}@media(prefers-color-scheme:dark){.tape{--bg:#0d1117;--ink:#e6edf3;--dim:#8d96a0;--edge:#6e7681;\
--box:#161b22;--var:#0c2d6b;--varline:#388bfd;--const:#21262d;--out:#033a16;--outline:#2ea043;--back:#3d1300;\
--backline:#db6d28;--group:#151b23;--groupline:#30363d}}\
.tape text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--ink)}\
.tape .d{fill:var(--dim)}.tape .h{font-weight:600;font-size:14px}.tape .s{font-size:10.5px;fill:var(--dim)}\
.tape .n{fill:var(--box);stroke:var(--edge)}.tape .v{fill:var(--var);stroke:var(--varline)}\
.tape .c{fill:var(--const);stroke:var(--edge)}.tape .o{fill:var(--out);stroke:var(--outline)}\
.tape .b{fill:var(--back);stroke:var(--backline)}.tape .z{fill:var(--const);stroke:var(--edge);stroke-dasharray:3 3}\
.tape .g{fill:var(--group);stroke:var(--groupline)}.tape .e{fill:none;stroke:var(--edge)}.tape .r{fill:none;\
stroke:var(--backline)}.tape .i{stroke:var(--bg);stroke-width:4;paint-order:stroke}";

/// The lines of a node's box in the forward pass.
fn lines(node: &Node) -> [String; 2] {
    [node.title(), node.caption()].map(|line| shortened(&line, node.widest()))
}

/// The lines of a node's box in the backward pass.
fn back_lines(scene: &Scene, node: &Node) -> [String; 2] {
    let caption = node.cotangent.as_ref().map_or_else(String::new, Numbers::to_string);
    [scene.derivative(node), caption].map(|line| shortened(&line, node.widest()))
}

/// The size of each node's box, which must fit its text in both passes.
fn sizes(scene: &Scene) -> Vec<[f64; 2]> {
    let size = |node: &Node| {
        let mut lines = lines(node).to_vec();
        if scene.backward {
            lines.extend(back_lines(scene, node));
        }
        let widest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
        let two = !lines[1].is_empty() || lines.get(3).is_some_and(|line| !line.is_empty());
        let height = if two { 2.0 * LINE } else { LINE } + 2.0 * PADDING - 4.0;
        [(widest as f64 * CHARACTER + 2.0 * PADDING).max(44.0), height]
    };
    scene.nodes.iter().map(size).collect()
}

pub(super) fn write(scene: &Scene) -> String {
    let layout = layout(scene, &sizes(scene));
    let top = if scene.backward { MARGIN + TITLE } else { MARGIN };
    let wide = layout.size[0].max(120.0);
    let passes = if scene.backward { 2.0 * wide + APART } else { wide };
    let [w, h] = [passes + 2.0 * MARGIN, layout.size[1] + top + MARGIN].map(f64::ceil);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tape\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\">\n"
    );
    out += &format!("<style>{STYLE}</style>\n<defs>");
    for (id, color) in [("a", "edge"), ("k", "backline")] {
        out += &format!(
            "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0.5L7.5 4L0 7.5z\" style=\"fill:var(--{color})\"/></marker>"
        );
    }
    out += &format!("</defs>\n<rect width=\"{w}\" height=\"{h}\" rx=\"6\" style=\"fill:var(--bg)\"/>\n");
    if scene.backward {
        for (x, title) in [(MARGIN, "forward: values"), (MARGIN + wide + APART, "backward: derivatives")] {
            out += &format!("<text class=\"h\" x=\"{x}\" y=\"{}\">{title}</text>\n", MARGIN + 12.0);
        }
    }
    forward(scene, &layout, [MARGIN, top], &mut out);
    if scene.backward {
        backward(scene, &layout, [MARGIN + wide + APART, top], &mut out);
    }
    out + "</svg>\n"
}

fn forward(scene: &Scene, layout: &Layout, [x, y]: [f64; 2], out: &mut String) {
    *out += &format!("<g transform=\"translate({x} {y})\">\n");
    groups(scene, layout, out);
    for points in &layout.edges {
        *out += &format!("<path class=\"e\" marker-end=\"url(#a)\" d=\"{}\"/>\n", curve(points));
    }
    for (node, place) in scene.nodes.iter().zip(&layout.nodes) {
        let class = match node.kind {
            Kind::Variable => "v",
            Kind::Constant => "c",
            Kind::Computed => "n",
            Kind::Output => "o",
        };
        boxed(out, place, class, &lines(node), &node.line);
    }
    *out += "</g>\n";
}

fn backward(scene: &Scene, layout: &Layout, [x, y]: [f64; 2], out: &mut String) {
    *out += &format!("<g transform=\"translate({x} {y})\">\n");
    groups(scene, layout, out);
    let mut labels = String::new();
    for ((to, k, _), points) in scene.edges().zip(&layout.edges) {
        let link = &scene.nodes[to].links[k];
        if link.passes.is_none() {
            continue;
        }
        let back: Vec<[f64; 2]> = points.iter().rev().copied().collect();
        *out += &format!("<path class=\"r\" marker-end=\"url(#k)\" d=\"{}\"/>\n", curve(&back));
        // The derivative along the edge, beside its lower end, where edges are apart.
        let text = match &link.local {
            Some(local) if local.shape.is_empty() => format!("×{}", number_of(local)),
            _ => continue,
        };
        let [lower, next] = [back[0], back[1]];
        let at = [lower[0] + (next[0] - lower[0]) * 0.42, lower[1] + (next[1] - lower[1]) * 0.5];
        labels += &format!(
            "<text class=\"s i\" text-anchor=\"middle\" x=\"{:.0}\" y=\"{:.0}\">{}</text>\n",
            at[0],
            at[1] + 4.0,
            xml(&text)
        );
    }
    *out += &labels;
    for (node, place) in scene.nodes.iter().zip(&layout.nodes) {
        let reached = node.cotangent.is_some();
        let lines =
            if reached { back_lines(scene, node) } else { [shortened(&node.name, node.widest()), String::new()] };
        boxed(out, place, if reached { "b" } else { "z" }, &lines, "");
    }
    *out += "</g>\n";
}

/// A derivative in few characters, for the label of an edge.
fn number_of(local: &Numbers) -> String {
    let x = local.only();
    let short = format!("{x:.3}");
    if x == 0.0 || (x.abs() >= 0.001 && x.abs() < 1000.0) {
        short.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number(x)
    }
}

fn groups(scene: &Scene, layout: &Layout, out: &mut String) {
    for (group, Place { x, y, w, h }) in scene.groups.iter().zip(&layout.groups) {
        *out += &format!("<rect class=\"g\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"8\"/>");
        *out += &format!("<text class=\"s\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n", x + 9.0, y + 16.0, xml(&group.label));
    }
}

/// A box with one or two lines of text, and a tooltip.
fn boxed(out: &mut String, place: &Place, class: &str, lines: &[String; 2], tip: &str) {
    let Place { x, y, w, h } = place;
    *out += "<g>";
    if !tip.is_empty() {
        *out += &format!("<title>{}</title>", xml(tip));
    }
    *out += &format!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"6\"/>");
    let (middle, center) = (x + w / 2.0, y + h / 2.0 + 4.0);
    let ups: &[(f64, &str)] = if lines[1].is_empty() { &[(0.0, "")] } else { &[(-0.5, ""), (0.5, "d")] };
    for ((up, dim), line) in ups.iter().zip(lines) {
        let y = center + up * LINE;
        *out += &format!(
            "<text class=\"{dim}\" text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{y:.1}\">{}</text>",
            xml(line)
        );
    }
    *out += "</g>\n";
}

/// A smooth line through points that leaves and arrives vertically.
fn curve(points: &[[f64; 2]]) -> String {
    let mut out = format!("M{:.0} {:.0}", points[0][0], points[0][1]);
    for pair in points.windows(2) {
        let [[x, y], [to, below]] = [pair[0], pair[1]];
        if (x - to).abs() < 1.0 {
            out += &format!("V{below:.0}");
        } else {
            let middle = (y + below) / 2.0;
            out += &format!("C{x:.0} {middle:.0} {to:.0} {middle:.0} {to:.0} {below:.0}");
        }
    }
    out
}
