//! What a plot must contain, and what it must not.

use super::*;
use proptest::prelude::*;

/// The curves' coordinates, in pixels, piece by piece.
fn pieces(svg: &str) -> Vec<Vec<[f64; 2]>> {
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{text:?} is not a coordinate"));
    let point = |text: &str| text.split_once(' ').map(|(x, y)| [number(x), number(y.trim_end_matches("h0"))]).unwrap();
    let paths = svg.lines().filter(|line| line.contains("fill=\"none\"")).map(|line| line.split('"').nth(1).unwrap());
    paths.flat_map(|path| path.split('M').skip(1)).map(|piece| piece.split('L').map(point).collect()).collect()
}

fn texts(svg: &str) -> Vec<&str> {
    let inner = |line: &'_ str| Some(line.split_once('>')?.1.strip_suffix("</text>")?.len());
    svg.lines().filter_map(|line| inner(line).map(|n| &line[line.len() - n - 7..line.len() - 7])).collect()
}

#[test]
fn a_line_goes_where_its_values_are() {
    let svg = LinePlot::new("").line("a", [0.0, 1.0, 0.5]).svg();
    let [low, high, mid] = pieces(&svg)[0][..] else { panic!("three points") };
    assert!(low[0] < high[0] && high[0] < mid[0], "epochs increase to the right");
    assert!(high[1] < mid[1] && mid[1] < low[1], "values increase upward");
    assert!((mid[1] - (low[1] + high[1]) / 2.0).abs() < 0.11, "values are evenly spaced");
    let svg = LinePlot::new("").log_y().line("a", [0.01, 0.1, 1.0]).svg();
    let [a, b, c] = pieces(&svg)[0][..] else { panic!("three points") };
    assert!((a[1] - 2.0 * b[1] + c[1]).abs() < 0.3, "equal factors are equal steps");
}

#[test]
fn marks_are_round() {
    let svg = LinePlot::new("").line("loss", (0..40).map(|i| 2.3 * 0.9f64.powi(i))).svg();
    for mark in ["0", "0.5", "1.0", "1.5", "2.0", "5", "10", "40"] {
        assert!(texts(&svg).contains(&mark), "{mark} in {:?}", texts(&svg));
    }
    let svg = LinePlot::new("").log_y().line("loss", [1.0, 1e-3, 1e-6]).svg();
    for mark in ["1", "0.1", "0.001", "1e−6"] {
        assert!(texts(&svg).contains(&mark), "{mark} in {:?}", texts(&svg));
    }
}

#[test]
fn what_cannot_be_shown_is_a_gap() {
    let svg = LinePlot::new("").line("a", [f64::NAN, 1.0, 2.0, f64::INFINITY, 3.0, f64::NAN]).svg();
    assert_eq!(pieces(&svg).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert!(svg.contains("h0\""), "a single point is a dot");
    let svg = LinePlot::new("").log_y().line("a", [1.0, 0.0, -1.0, 0.5]).svg();
    assert_eq!(pieces(&svg).len(), 2);
    for empty in [LinePlot::new("t"), LinePlot::new("t").line("a", []), LinePlot::new("t").log_y().line("a", [-1.0])] {
        assert!(pieces(&empty.svg()).is_empty() && texts(&empty.svg()).len() > 3);
    }
}

#[test]
fn text_is_escaped() {
    let svg = LinePlot::new("a < b & \"c\"\0").labels("<x>", "y").line("</svg>", [1.0]).svg();
    assert!(svg.contains("a &lt; b &amp; \"c\"<") && svg.contains("&lt;x&gt;"));
    assert_eq!(svg.matches("</svg>").count(), 1);
}

#[test]
fn saving_replaces_and_leaves_nothing_behind() {
    let folder = std::env::temp_dir().join(format!("nn-plot-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, plot) = (folder.join("loss.svg"), LinePlot::new("a").line("b", [1.0, 2.0]));
    LinePlot::new("older").save(&path).unwrap();
    plot.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), plot.svg());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::create_dir(folder.join("taken.svg")).unwrap();
    assert!(plot.save(folder.join("taken.svg")).is_err() && plot.save(folder.join("no/such.svg")).is_err());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    std::fs::remove_dir_all(folder).unwrap();
}

proptest! {
    #[test]
    fn all_stays_inside(
        lines in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..20), 0..10),
        log: bool, small: bool,
    ) {
        let squash = |v: f64| if small { v.signum() * v.abs().log10() } else { v };
        let plot = LinePlot { log_y: log, ..LinePlot::new("any") };
        let plot = lines.into_iter().fold(plot, |plot, line| plot.line("line", line.into_iter().map(squash)));
        let svg = plot.svg();
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        for [x, y] in pieces(&svg).concat() {
            prop_assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{x} {y}");
        }
        prop_assert!(texts(&svg).len() < 80);
    }
}
