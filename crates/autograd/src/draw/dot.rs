//! Graphviz's language: groups are clusters, and the backward pass is a cluster beside the forward pass.

use super::{Kind, Scene};

pub(super) fn write(scene: &Scene) -> String {
    let mut out = String::from(
        "digraph tape {\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=monospace];\n",
    );
    let nodes: Vec<String> = scene
        .nodes
        .iter()
        .enumerate()
        .map(|(i, node)| {
            let fill = match node.kind {
                Kind::Variable => ", fillcolor=\"#dbeafe\"",
                Kind::Constant => ", fillcolor=\"#f3f4f6\"",
                Kind::Computed => "",
                Kind::Output => ", fillcolor=\"#dcfce7\"",
            };
            format!(
                "n{i} [label=\"{}\"{fill}, tooltip=\"{}\"];",
                label(&node.title(), &node.caption()),
                escaped(&node.line)
            )
        })
        .collect();
    if scene.backward {
        out += "  subgraph cluster_forward {\n    label=forward;\n";
        nested(scene, None, &nodes, 2, &mut out);
        out += "  }\n  subgraph cluster_backward {\n    label=backward;\n    node [fillcolor=\"#ffedd5\"];\n";
        for (i, node) in scene.nodes.iter().enumerate() {
            if let Some(cotangent) = &node.cotangent {
                out += &format!("    b{i} [label=\"{}\"];\n", label(&scene.derivative(node), &cotangent.to_string()));
            }
        }
        for (to, k, from) in scene.edges() {
            let link = &scene.nodes[to].links[k];
            if link.passes.is_some() {
                let slope = if link.slope.is_empty() { &link.rule } else { &link.slope };
                // Drawn upward: the loss stays at the bottom, beside the loss of the forward pass.
                out += &format!("    b{from} -> b{to} [dir=back, label=\"{}\"];\n", escaped(slope));
            }
        }
        out += "  }\n";
    } else {
        nested(scene, None, &nodes, 1, &mut out);
    }
    for (to, _, from) in scene.edges() {
        out += &format!("  n{from} -> n{to};\n");
    }
    out + "}\n"
}

/// The nodes of a group, and its groups.
fn nested(scene: &Scene, group: Option<usize>, nodes: &[String], depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (_, line) in scene.nodes.iter().zip(nodes).filter(|(node, _)| node.group == group) {
        *out += &format!("{indent}{line}\n");
    }
    for (g, inner) in scene.groups.iter().enumerate().filter(|(_, inner)| inner.parent == group) {
        *out += &format!("{indent}subgraph cluster_{g} {{\n{indent}  label=\"{}\";\n", escaped(&inner.label));
        nested(scene, Some(g), nodes, depth + 1, out);
        *out += &format!("{indent}}}\n");
    }
}

fn label(first: &str, second: &str) -> String {
    if second.is_empty() { escaped(first) } else { format!("{}\\n{}", escaped(first), escaped(second)) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
