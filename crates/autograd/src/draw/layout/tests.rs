//! Layouts of random graphs: nothing overlaps, and groups contain their nodes.

use super::layered::layers;
use super::*;
use crate::draw::{Group, Link, Node};

/// A graph of `count` nodes in `groups` groups, nested at random.
fn random(count: usize, groups: usize, seed: u64) -> Scene {
    let mut state = seed;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut scene = Scene::default();
    for g in 0..groups {
        let parent = if g > 0 && below(2) == 0 { Some(below(g)) } else { None };
        scene.groups.push(Group { label: format!("group {g}"), parent });
    }
    for i in 0..count {
        let inputs = if i == 0 { 0 } else { below(4) };
        let links = (0..inputs).map(|_| Link { from: Some(below(i)), ..Link::default() }).collect();
        // Neighbors are often in one group, as layers are.
        let group = (groups > 0).then(|| (i * groups / count + below(2)).min(groups - 1));
        scene.nodes.push(Node { name: format!("#{i}"), links, group, ..Node::default() });
    }
    scene
}

fn overlap(a: &Place, b: &Place) -> bool {
    a.x + a.w > b.x + 0.01 && b.x + b.w > a.x + 0.01 && a.y + a.h > b.y + 0.01 && b.y + b.h > a.y + 0.01
}

fn holds(outer: &Place, inner: &Place) -> bool {
    let (right, bottom) = (outer.x + outer.w - inner.x - inner.w, outer.y + outer.h - inner.y - inner.h);
    inner.x >= outer.x && inner.y >= outer.y && right >= -0.01 && bottom >= -0.01
}

#[test]
fn no_boxes_overlap_and_groups_hold_what_is_theirs() {
    for seed in 0..60 {
        let scene = random(3 + seed as usize, seed as usize % 6, seed);
        let sizes: Vec<[f64; 2]> = (0..scene.nodes.len()).map(|i| [40.0 + 13.0 * (i % 5) as f64, 30.0]).collect();
        let done = layout(&scene, &sizes);
        let within = |mut group: Option<usize>, g: usize| {
            while let Some(of) = group {
                if of == g {
                    return true;
                }
                group = scene.groups[of].parent;
            }
            false
        };
        for (i, a) in done.nodes.iter().enumerate() {
            assert!(a.x >= 0.0 && a.y >= 0.0 && a.x + a.w <= done.size[0] + 0.01 && a.y + a.h <= done.size[1] + 0.01);
            assert!(done.nodes[..i].iter().all(|b| !overlap(a, b)), "seed {seed}, node {i}");
            for (g, box_) in done.groups.iter().enumerate() {
                let inside = within(scene.nodes[i].group, g);
                assert!(if inside { holds(box_, a) } else { !overlap(a, box_) }, "seed {seed}, node {i}, group {g}");
            }
        }
    }
}

#[test]
fn values_stand_below_what_they_are_computed_from() {
    let scene = random(80, 0, 7);
    let done = layout(&scene, &vec![[50.0, 30.0]; 80]);
    for ((to, _, from), points) in scene.edges().zip(&done.edges) {
        assert!(done.nodes[to].y > done.nodes[from].y + 30.0);
        assert!(points.windows(2).all(|pair| pair[1][1] >= pair[0][1]), "edges run down: {points:?}");
    }
}

#[test]
fn a_chain_is_straight() {
    let mut scene = random(1, 0, 0);
    for i in 1..20 {
        scene.nodes.push(Node { links: vec![Link { from: Some(i - 1), ..Link::default() }], ..Node::default() });
    }
    let done = layout(&scene, &vec![[50.0, 30.0]; 20]);
    assert!(done.nodes.iter().all(|place| (place.x - done.nodes[0].x).abs() < 1e-9));
}

#[test]
fn layers_of_leaves_and_readers() {
    // 0 and 1 are leaves; 2 reads 0; 3 reads 2 and 1.
    assert_eq!(layers(4, &[(0, 2), (1, 3), (2, 3)]), [0, 1, 1, 2]);
    assert_eq!(layers(2, &[]), [0, 0]);
}
