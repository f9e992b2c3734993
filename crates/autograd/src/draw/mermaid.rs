//! Mermaid: the nodes and edges as text, groups as subgraphs, and the backward pass beside the forward pass.

use super::{Kind, Node, Scene};

/// The kinds of nodes, with their styles, which are readable in light and dark.
const CLASSES: &str = "  classDef variable fill:#dbeafe,stroke:#2563eb,color:#111827
  classDef constant fill:#f3f4f6,stroke:#9ca3af,color:#111827
  classDef output fill:#dcfce7,stroke:#16a34a,color:#111827
  classDef back fill:#ffedd5,stroke:#ea580c,color:#111827
";

pub(super) fn write(scene: &Scene) -> String {
    let mut out = String::from("flowchart TD\n");
    let mut lines: Vec<(Option<usize>, String)> = Vec::new();
    for (i, node) in scene.nodes.iter().enumerate() {
        let text = label(&node.title(), &node.caption());
        lines.push((node.group, format!("n{i}{}", shaped(node, &text))));
    }
    if scene.backward {
        // Mermaid draws the last of them on the left.
        out += "  subgraph backward\n    direction BT\n";
        for (i, node) in scene.nodes.iter().enumerate() {
            if let Some(cotangent) = &node.cotangent {
                out += &format!("    b{i}[\"{}\"]:::back\n", label(&scene.derivative(node), &cotangent.to_string()));
            }
        }
        for (to, k, from) in scene.edges() {
            let link = &scene.nodes[to].links[k];
            if link.passes.is_some() {
                let slope = if link.slope.is_empty() { &link.rule } else { &link.slope };
                out += &format!("    b{to} -->|\"{}\"| b{from}\n", escaped(slope));
            }
        }
        out += "  end\n  subgraph forward\n    direction TB\n";
        nested(scene, None, &lines, 2, &mut out);
        edges(scene, &mut out);
        out += "  end\n";
    } else {
        nested(scene, None, &lines, 1, &mut out);
        edges(scene, &mut out);
    }
    out + CLASSES
}

/// The nodes of a group, and its groups.
fn nested(scene: &Scene, group: Option<usize>, lines: &[(Option<usize>, String)], depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (_, line) in lines.iter().filter(|(of, _)| *of == group) {
        *out += &format!("{indent}{line}\n");
    }
    for (g, inner) in scene.groups.iter().enumerate().filter(|(_, inner)| inner.parent == group) {
        *out += &format!("{indent}subgraph g{g}[\"{}\"]\n", escaped(&inner.label));
        nested(scene, Some(g), lines, depth + 1, out);
        *out += &format!("{indent}end\n");
    }
}

fn edges(scene: &Scene, out: &mut String) {
    for (to, _, from) in scene.edges() {
        *out += &format!("  n{from} --> n{to}\n");
    }
}

/// A node's text in the shape of its kind.
fn shaped(node: &Node, text: &str) -> String {
    match node.kind {
        Kind::Variable => format!("(\"{text}\"):::variable"),
        Kind::Constant => format!("(\"{text}\"):::constant"),
        Kind::Computed => format!("[\"{text}\"]"),
        Kind::Output => format!("[\"{text}\"]:::output"),
    }
}

fn label(first: &str, second: &str) -> String {
    if second.is_empty() { escaped(first) } else { format!("{}<br>{}", escaped(first), escaped(second)) }
}

/// Special characters become entities, which Mermaid writes with `#`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '"' | '<' | '>' | '&' | '`' | '|' => out += &format!("#{};", c as u32),
            c => out.push(c),
        }
    }
    out
}
