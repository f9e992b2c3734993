//! The required contents of figures.

use super::sheet::{Shape, Sheet};
use super::*;
use proptest::prelude::*;

fn sheet(figure: &dyn Figure) -> Sheet {
    figure.sheet(figure.natural()).unwrap()
}

/// The curves, in pixels, piece by piece; a single point is a piece.
fn pieces(figure: &dyn Figure) -> Vec<Vec<Point>> {
    let of_series = |ink: &sheet::Ink| matches!(ink, sheet::Ink::Series(_));
    let piece = |shape: Shape| match shape {
        // Those above the frame belong to the legend.
        Shape::Line { points, ink, width, .. } if of_series(&ink) && width < 3.0 => Some(points),
        Shape::Dots { points, ink, radius } if of_series(&ink) && radius < 4.0 => Some(points),
        _ => None,
    };
    sheet(figure).shapes.into_iter().filter_map(piece).collect()
}

fn texts(figure: &dyn Figure) -> Vec<String> {
    let text = |shape: Shape| if let Shape::Text { text, .. } = shape { Some(text) } else { None };
    sheet(figure).shapes.into_iter().filter_map(text).collect()
}

/// Every point of a figure.
fn points(sheet: &Sheet) -> Vec<Point> {
    let of_shape = |shape: &Shape| match shape {
        Shape::Line { points, .. } | Shape::Dots { points, .. } => points.clone(),
        Shape::Text { at, .. } => vec![*at],
        Shape::Box { area: [x, y, w, h], .. } | Shape::Cells { area: [x, y, w, h], .. } => {
            vec![[*x, *y], [x + w, y + h]]
        }
    };
    sheet.shapes.iter().flat_map(of_shape).collect()
}

/// The names of elements, each of which must end in order; texts must not hold bare `<` or `&`.
fn well_formed(svg: &str) -> Vec<String> {
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop().as_deref(), Some(name)),
            (false, true) => {}
            (false, false) => open.push(name.to_owned()),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let entities = text.split('&').skip(1).all(|rest| rest.split_once(';').is_some_and(|(name, _)| name.len() < 6));
        assert!(entities, "{text}");
        seen.push(name.to_owned());
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

/// A small reader of PNG files, for those that this crate writes: the width, and the bytes of the rows.
fn decoded(png: &[u8], channels: usize) -> (usize, Vec<u8>) {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let (mut at, mut width, mut data, mut names) = (8, 0, Vec::new(), Vec::new());
    while at < png.len() {
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let (length, name) = (number(at), &png[at + 4..at + 8]);
        let body = &png[at + 8..at + 8 + length];
        let mut sum = flate2::Crc::new();
        sum.update(&png[at + 4..at + 8 + length]);
        assert_eq!(sum.sum() as usize, number(at + 8 + length), "the checksum");
        match name {
            b"IHDR" => {
                width = number(at + 8);
                assert_eq!(body[8..], [8, if channels == 4 { 6 } else { 2 }, 0, 0, 0]);
            }
            b"IDAT" => data.extend_from_slice(body),
            _ => {}
        }
        names.push(name.to_vec());
        at += 12 + length;
    }
    assert_eq!(names, [b"IHDR", b"IDAT", b"IEND"]);
    let mut rows = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&data[..]), &mut rows).unwrap();
    let mut above = vec![0; width * channels];
    let mut out = Vec::new();
    for row in rows.chunks(1 + width * channels) {
        assert_eq!(row[0], 2, "rows are differences from those above");
        above = row[1..].iter().zip(&above).map(|(a, b)| a.wrapping_add(*b)).collect();
        out.extend_from_slice(&above);
    }
    (width, out)
}

#[test]
fn a_line_goes_where_its_values_are() {
    let plot = Plot::new("").line("a", [0.0, 1.0, 0.5]);
    let [low, high, mid] = pieces(&plot)[0][..] else { panic!("three points") };
    assert!(low[0] < high[0] && high[0] < mid[0], "epochs increase to the right");
    assert!(high[1] < mid[1] && mid[1] < low[1], "values increase upward");
    assert!((mid[1] - (low[1] + high[1]) / 2.0).abs() < 1e-9, "values are evenly spaced");
    let [a, b, c] = pieces(&Plot::new("").log_y().line("a", [0.01, 0.1, 1.0]))[0][..] else { panic!("three points") };
    assert!((a[1] - 2.0 * b[1] + c[1]).abs() < 1e-9, "equal factors are equal steps");
    let points = [(0.01, 3.0), (0.1, 1.0), (1.0, 2.0)];
    let [a, b, c] = pieces(&Plot::new("").log_x().curve("a", points))[0][..] else { panic!("three points") };
    assert!((a[0] - 2.0 * b[0] + c[0]).abs() < 1e-9 && b[1] > c[1] && c[1] > a[1]);
}

#[test]
fn marks_are_round() {
    let plot = Plot::new("").line("loss", (0..40).map(|i| 2.3 * 0.9f64.powi(i)));
    for mark in ["0", "0.5", "1.0", "1.5", "2.0", "5", "10", "40"] {
        assert!(texts(&plot).contains(&mark.to_owned()), "{mark} in {:?}", texts(&plot));
    }
    let plot = Plot::new("").log_y().line("loss", [1.0, 1e-3, 1e-6]);
    for mark in ["1", "0.1", "0.001", "1e−6"] {
        assert!(texts(&plot).contains(&mark.to_owned()), "{mark} in {:?}", texts(&plot));
    }
    let texts = texts(&Plot::new("").line("", [1e6 + 0.1, 1e6 + 0.2]));
    let mut distinct = texts.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(texts.len(), distinct.len(), "no two marks have the same label: {texts:?}");
}

#[test]
fn marks_cover_the_axis() {
    for (low, high) in [(0.0, 1.0), (-3.7, 12.2), (1e-9, 3e-9), (-1e12, 5.0), (0.999, 1.001)] {
        for plot in [Plot::new("").curve("", [(low, low), (high, high)]), Plot::new("").line("", [low, high])] {
            let sheet = sheet(&plot);
            let grid = sheet.shapes.iter().filter_map(|shape| match shape {
                Shape::Line { points, ink: sheet::Ink::Grid, .. } if points[0][1] == points[1][1] => Some(points[0][1]),
                _ => None,
            });
            let grid: Vec<f64> = grid.collect();
            let (top, bottom) =
                (grid.iter().copied().fold(f64::MAX, f64::min), grid.iter().copied().fold(0.0, f64::max));
            assert!((3..=9).contains(&grid.len()) && bottom - top > 150.0, "{low} to {high}: {grid:?}");
        }
    }
}

#[test]
fn what_cannot_be_shown_is_a_gap() {
    let plot = Plot::new("").line("a", [f64::NAN, 1.0, 2.0, f64::INFINITY, 3.0, f64::NAN]);
    assert_eq!(pieces(&plot).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert!(pieces(&Plot::new("").line("a", [1.0, 5.0]).y_range(2.0, 3.0)).is_empty(), "both are outside");
    for empty in [Plot::new("t"), Plot::new("t").line("a", []), Plot::new("t").log_y().scatter("a", [])] {
        assert!(pieces(&empty).concat().is_empty() && texts(&empty).len() > 3);
    }
    for one in [0.0, 5.0, -1e300, f64::NAN, f64::INFINITY] {
        let plot = Plot::new("").line("a", [one; 3]).scatter("b", [(one, one)]).histogram("c", [one]);
        assert!(!plot.svg().contains("NaN") && !plot.svg().contains("\"inf"));
    }
}

#[test]
fn what_has_no_logarithm_is_an_error() {
    for bad in [0.0, -0.0, -2.5] {
        let error = Plot::new("").log_y().line("loss", [1.0, f64::NAN, bad]).try_svg(Theme::Light).unwrap_err();
        let expected = format!(
            "the y axis is logarithmic, but value 3 of \"loss\" is {bad}: make the axis linear, or leave out values that are \
             not above 0"
        );
        assert_eq!(error.to_string(), expected);
    }
    assert!(Plot::new("").log_x().histogram("w", [0.1, -0.1]).try_png(Theme::Dark).is_err());
    assert!(Plot::new("").log_x().x_range(0.0, 1.0).line("w", [1.0]).try_svg(Theme::Light).is_err());
    let regions = Plot::new("").regions([1.0, 2.0], [1.0, 2.0], |points| vec![0; points.len()]).log_x();
    assert_eq!(
        regions.try_svg(Theme::Light).unwrap_err().to_string(),
        "the x axis is logarithmic, but regions need linear axes"
    );
    assert!(!Plot::new("").log_y().log_x().histogram("w", [0.1, 0.1, 1000.0]).svg().contains("NaN"));
    let ragged = HeatMap::new("", [vec![1.0, 2.0], vec![1.0]]).try_svg(Theme::Light).unwrap_err();
    assert_eq!(ragged.to_string(), "row 2 of the heat map has 1 cells, but the first has 2");
    let pixels = Images::new("", 3).image("", [1.0; 4]).try_svg(Theme::Light).unwrap_err();
    assert_eq!(pixels.to_string(), "image 1 has 4 pixels, which are not rows of 3");
    assert!(Panels::new("").panel(Plot::new("").log_y().line("", [0.0])).try_svg(Theme::Light).is_err());
}

#[test]
fn bars_count_values() {
    let values = [0.0, 0.1, 0.15, 0.9, 1.0, f64::NAN, f64::NEG_INFINITY];
    let plot = Plot::new("").histogram("w", values);
    assert!(texts(&plot).contains(&"w (2 not finite)".to_owned()));
    let bars = series::bars(
        &[series::Series { name: String::new(), mark: series::Mark::Values(values.to_vec()) }],
        false,
        None,
    );
    let bars = bars[0].as_ref().unwrap();
    assert_eq!((bars.edges[0], bars.edges[5], &bars.heights[..]), (0.0, 1.0, &[3.0, 0.0, 0.0, 0.0, 2.0][..]));
    // The height of each bar is its count.
    let heights: Vec<f64> = sheet(&plot)
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Box { area: [.., w, h], .. } if *w != 11.0 => Some(*h),
            _ => None,
        })
        .collect();
    assert!(heights.len() == 2 && (heights[0] / heights[1] - 1.5).abs() < 1e-9, "{heights:?}");
}

#[test]
fn a_boundary_is_where_the_classes_change() {
    let right = |points: &[[f64; 2]]| points.iter().map(|[x, _]| usize::from(*x > 1.0)).collect::<Vec<_>>();
    let plot = Plot::new("").regions([0.0, 4.0], [0.0, 1.0], right).scatter("a", [(1.0, 0.5)]);
    let (mut changes, mut middle) = (Vec::new(), 0.0);
    for shape in sheet(&plot).shapes {
        match shape {
            Shape::Cells { area: [x, _, w, _], columns, colors, .. } => {
                let at = colors.windows(2).position(|pair| pair[0] != pair[1]).unwrap() + 1;
                changes.push(x + w * at as f64 / columns as f64);
            }
            Shape::Dots { points, .. } if points[0][1] > 60.0 => middle = points[0][0],
            _ => {}
        }
    }
    assert!(changes.len() == 1 && (changes[0] - middle).abs() < 2.0, "{changes:?} {middle}");
}

#[test]
fn long_curves_are_thinned_without_losing_their_extremes() {
    let points = (0..1_000_000).map(|i| (i as f64, if i == 777_777 { 9.0 } else { (i as f64).sin() }));
    let plot = Plot::new("").curve("", points);
    let piece = &pieces(&plot)[0];
    assert!(piece.len() < 3000 && plot.svg().len() < 60_000, "{}", piece.len());
    let highest = piece.iter().map(|point| point[1]).fold(f64::MAX, f64::min);
    assert_eq!(piece.iter().filter(|point| point[1] == highest).count(), 1, "the peak is there");
}

#[test]
fn cells_have_the_colors_of_their_numbers() {
    let colors = |map: HeatMap| {
        sheet(&map).shapes.into_iter().find_map(|shape| match shape {
            Shape::Cells { colors, .. } => Some(colors),
            _ => None,
        })
    };
    let colors = |map| colors(map).unwrap();
    let [none, half, full, gray] = colors(HeatMap::new("", [[0.0, 2.0], [4.0, f64::NAN]]))[..] else { panic!() };
    assert_eq!((none[3], half[3], full[3], gray), (0, 128, 255, [128, 128, 128, 90]));
    let [negative, positive] = colors(HeatMap::new("", [[-1.0, 2.0]]))[..] else { panic!() };
    assert!(negative[0] > negative[2] && positive[0] < positive[2] && positive[3] == 255 && negative[3] == 128);
    let names = ["a", "b", "c"];
    assert_eq!(texts(&HeatMap::new("", [[1.0, 2.0]]).names(names, names).squares()), ["a", "b", "a"]);
    for map in [HeatMap::new("", Vec::<Vec<f64>>::new()), HeatMap::new("", [[]]), HeatMap::new("", [[f64::INFINITY]])] {
        assert!(!map.numbers().svg().contains("NaN"));
    }
}

#[test]
fn svg_is_well_formed_and_follows_the_theme() {
    let plot = Plot::new("a < b & \"c\"\0").labels("<x>", "y").line("</svg>", [1.0, 2.0]).scatter("p", [(1.0, 1.0)]);
    let svg = plot.svg();
    assert!(svg.contains("a &lt; b &amp; &quot;c&quot;<") && svg.contains("&lt;x&gt;"));
    assert_eq!(well_formed(&svg).first().map(String::as_str), Some("svg"));
    let has = |theme, text| plot.try_svg(theme).unwrap().contains(text);
    assert!(has(Theme::Reader, "prefers-color-scheme:dark") && has(Theme::Reader, "#0d1117"));
    assert!(!has(Theme::Light, "prefers") && !has(Theme::Light, "#0d1117") && has(Theme::Dark, "#0d1117"));
    let element = plot.svg_element().unwrap();
    assert!(!element.contains("<style>") && svg_style().contains("prefers-color-scheme"));
}

#[test]
fn png_has_its_size_and_its_pixels() {
    let map = HeatMap::new("", [[0.0, 1.0]]).squares();
    let [width, height] = map.natural().map(|side| (2.0 * side).round() as usize);
    for (theme, ground) in [(Theme::Reader, [255, 255, 255]), (Theme::Dark, [13, 17, 23])] {
        let (found, bytes) = decoded(&map.png(theme), 3);
        assert_eq!((found, bytes.len()), (width, 3 * width * height));
        assert_eq!(bytes[..3], ground, "the corner");
        let full = sheet::Ink::Series(0).color(theme == Theme::Dark);
        let covered = bytes.chunks(3).filter(|pixel| **pixel == full).count();
        // The one square is 33 pixels wide, at two pixels of the file for each.
        assert!((4200..=4356).contains(&covered), "{covered}");
    }
    let (width, cells) = decoded(&png::encode(2, 4, &[1, 2, 3, 4, 5, 6, 7, 8, 250, 0, 9, 255, 0, 0, 0, 0]), 4);
    assert_eq!((width, &cells[8..12]), (2, &[250, 0, 9, 255][..]));
}

#[test]
fn text_in_pixels_is_where_it_is_in_svg() {
    let ink = |plot: &Plot| {
        let (width, bytes) = decoded(&plot.png(Theme::Light), 3);
        let dark = bytes.chunks(3).enumerate().filter(|(_, pixel)| pixel[0] < 100).map(|(i, _)| [i % width, i / width]);
        dark.filter(|[x, y]| *x > 200 && *y < 80).collect::<Vec<_>>()
    };
    let title = ink(&Plot::new("Title"));
    let middle = title.iter().map(|[x, _]| *x as f64).sum::<f64>() / title.len() as f64;
    assert!((middle - 720.0).abs() < 10.0 && title.len() > 300, "{middle} {}", title.len());
    assert!(title.iter().all(|[_, y]| (25..62).contains(y)), "capitals stand on the baseline, which is at 2 × 27");
    assert!(ink(&Plot::new("")).is_empty());
}

#[test]
fn panels_share_axes_and_names() {
    let plot = |low: f64, name| Plot::new("p").curve(name, [(low, 0.0), (low + 1.0, 1.0)]);
    let starts = |panels: &Panels| pieces(panels).iter().map(|piece| piece[0][0]).collect::<Vec<_>>();
    let named = |panels: &Panels, name: &str| texts(panels).iter().filter(|text| *text == name).count();
    let panels = Panels::new("").panel(plot(5.0, "a")).panel(plot(9.0, "a"));
    let [left, right] = starts(&panels)[..] else { panic!("two curves") };
    assert!((right - left - 400.0).abs() < 3.0, "each begins where its axis does: {left} {right}");
    assert_eq!((named(&panels, "a"), named(&panels, "p")), (1, 2));
    let panels = Panels::new("").panel(plot(5.0, "a")).panel(plot(9.0, "b")).shared_x();
    let [left, right] = starts(&panels)[..] else { panic!("two curves") };
    assert!(right - left > 600.0, "5 and 9 of one axis: {left} {right}");
    assert_eq!((named(&panels, "a"), named(&panels, "b")), (1, 1));
}

#[test]
fn images_side_by_side_as_text() {
    let images = Images::new("", 2).image("a", [0.0, 1.0, 0.5, 0.0]).image("b", [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(images.to_text(false), "  @@  @@@@\n++\na     b\n");
    let gray = images.to_text(true);
    assert_eq!((gray.lines().count(), gray.matches('▀').count()), (2, 4));
    assert!(gray.starts_with("\x1b[38;5;255m\x1b[48;5;243m▀\x1b[38;5;232m\x1b[48;5;255m▀\x1b[0m"), "{gray:?}");
    assert_eq!(Images::new("", 2).to_text(true), "");
}

#[test]
fn saving_replaces_and_leaves_nothing_behind() {
    let folder = std::env::temp_dir().join(format!("nn-plot-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, plot) = (folder.join("loss.svg"), Plot::new("a").line("b", [1.0, 2.0]));
    Plot::new("older").save(&path).unwrap();
    plot.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), plot.svg());
    plot.save_as(folder.join("loss.png"), Theme::Dark).unwrap();
    assert_eq!(std::fs::read(folder.join("loss.png")).unwrap(), plot.png(Theme::Dark));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    std::fs::create_dir(folder.join("taken.svg")).unwrap();
    assert!(plot.save(folder.join("taken.svg")).is_err() && plot.save(folder.join("no/such.svg")).is_err());
    let error = plot.save(folder.join("loss.jpg")).unwrap_err().to_string();
    assert!(error.ends_with("loss.jpg: the name must end in .svg or .png"), "{error}");
    assert!(Plot::new("").log_y().line("", [0.0]).save(&path).is_err(), "what is there stays");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), plot.svg());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    std::fs::remove_dir_all(folder).unwrap();
}

proptest! {
    #[test]
    fn all_stays_inside(
        lines in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..20), 0..10),
        log: bool, small: bool, size in (0.0..900.0, 0.0..600.0),
    ) {
        let squash = |v: f64| if small { v.signum() * v.abs().log10() } else { v };
        let shown = |v: &f64| !log || !v.is_finite() || *v > 0.0;
        let plot = if log { Plot::new("any").log_y() } else { Plot::new("any") };
        let values = lines.iter().map(|line| line.iter().copied().map(squash).filter(shown).collect::<Vec<f64>>());
        let mut plot = values.fold(plot, |plot, line| plot.line("line", line.clone()).curve("xy", line.into_iter().map(|y| (y, y))));
        plot = plot.size(size.0, size.1);
        if !log {
            plot = plot.histogram("all", lines.concat());
        }
        let (sheet, svg) = (sheet(&plot), plot.svg());
        well_formed(&svg);
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        for [x, y] in points(&sheet) {
            prop_assert!((0.0..=sheet.size[0]).contains(&x) && (0.0..=sheet.size[1]).contains(&y), "{x} {y}");
        }
        prop_assert!(texts(&plot).len() < 80);
    }
}
