//! The example that GradBench drives: each function of each eval against differences or a closed form, and invalid
//! messages.

#[allow(dead_code, reason = "the example's main function reads standard input")]
#[path = "../examples/gradbench/main.rs"]
mod gradbench;

use gradbench::protocol::serve;
use serde_json::{Value, json};

/// The responses to lines.
fn responses(lines: &[u8]) -> Vec<Value> {
    let mut out = Vec::new();
    serve(lines, &mut out).unwrap();
    out.split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn response(message: &Value) -> Value {
    let mut all = responses(format!("{message}\n").as_bytes());
    assert_eq!(all.len(), 1, "{message}");
    all.remove(0)
}

fn evaluation(module: &str, function: &str, input: &Value) -> Value {
    response(&json!({ "id": 7, "kind": "evaluate", "module": module, "function": function, "input": input }))
}

#[track_caller]
fn output(module: &str, function: &str, input: &Value) -> Value {
    let response = evaluation(module, function, input);
    assert_eq!(response["success"], true, "{response}");
    assert_eq!(response["id"], 7);
    response["output"].clone()
}

/// All numbers of nested arrays.
fn numbers(x: &Value) -> Vec<f64> {
    match x {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        _ => vec![x.as_f64().unwrap()],
    }
}

/// The `i`-th of all numbers of nested arrays.
fn number(x: &mut Value, i: usize) -> &mut Value {
    fn find<'v>(x: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
        if x.is_array() {
            return x.as_array_mut().unwrap().iter_mut().find_map(|x| find(x, left));
        }
        *left = left.wrapping_sub(1);
        (*left == usize::MAX).then_some(x)
    }
    find(x, &mut { i }).unwrap()
}

/// Derivatives of all results of `y` by all numbers of a field, by central differences: one row for each number.
fn differences(input: &Value, field: &str, y: impl Fn(&Value) -> Vec<f64>) -> Vec<Vec<f64>> {
    let h = 1e-5;
    let at = |i: usize, h: f64| {
        let mut moved = input.clone();
        let x = number(&mut moved[field], i);
        *x = json!(x.as_f64().unwrap() + h);
        y(&moved)
    };
    let row = |i| at(i, h).iter().zip(at(i, -h)).map(|(a, b)| (a - b) / (2.0 * h)).collect();
    (0..numbers(&input[field]).len()).map(row).collect()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{i}: {a} and {b}");
    }
}

/// Checks the derivative of a scalar function by a field.
#[track_caller]
fn check(module: &str, [value, slope]: [&str; 2], input: &Value, field: &str, found: impl Fn(&Value) -> Vec<f64>) {
    // A function of several values is differentiated in its last one.
    let last = |input: &Value| numbers(&output(module, value, input)).pop().into_iter().collect();
    let expected = differences(input, field, last).concat();
    close(&found(&output(module, slope, input)), &expected, 1e-6);
}

/// Numbers between -1 and 1 without a pattern.
fn some(shape: &[usize], seed: u64) -> Value {
    match shape.split_first() {
        None => json!((seed as f64 * 12.9898).sin()),
        Some((&n, inner)) => (0..n as u64).map(|i| some(inner, seed * 31 + i + 1)).collect(),
    }
}

fn gmm() -> Value {
    json!({
        "d": 3, "k": 2, "n": 5, "m": 2, "gamma": 1.5,
        "x": some(&[5, 3], 1), "alpha": some(&[2], 2), "mu": some(&[2, 3], 3), "q": some(&[2, 3], 4), "l": some(&[2, 3], 5),
    })
}

fn lstm(characters: usize) -> Value {
    json!({
        "main_params": some(&[4, 12], 1), "extra_params": some(&[3, 3], 2), "state": some(&[4, 3], 3),
        "sequence": some(&[characters, 3], 4),
    })
}

fn ba(n: usize, m: usize, p: usize) -> Value {
    json!({
        "n": n, "m": m, "p": p, "w": 0.7, "feat": [0.4, -0.3], "x": [0.5, 0.25, 4.0],
        "cam": [0.3, -0.2, 0.1, 0.05, -0.1, 0.2, 1.5, 0.1, -0.2, 0.01, -0.002],
    })
}

fn ht(triangles: bool, mirrored: bool) -> Value {
    let (bones, vertices) = (22, 4);
    let matrix = |bone: u64, seed| {
        let mut rows = some(&[4, 4], bone * 7 + seed);
        rows[3] = json!([0.0, 0.0, 0.0, 1.0]);
        rows
    };
    let matrices = |seed| (0..bones as u64).map(|bone| matrix(bone, seed)).collect::<Value>();
    let parents: Vec<i64> = (0..bones as i64).map(|bone| if bone % 4 == 2 { 0 } else { bone - 1 }).collect();
    let mut positions = some(&[vertices, 4], 3);
    (0..vertices).for_each(|v| positions[v][3] = json!(1.0));
    json!({
        "theta": some(&[26], 1),
        "us": if triangles { some(&[3, 2], 2) } else { json!([]) },
        "data": {
            "model": {
                "bone_count": bones, "bone_names": vec!["bone"; bones], "parents": parents, "is_mirrored": mirrored,
                "base_relatives": matrices(5), "inverse_base_absolutes": matrices(6), "base_positions": positions,
                "weights": some(&[vertices, bones], 4), "triangles": [[0, 1, 2], [1, 3, 2]],
            },
            "correspondences": if triangles { [1, 0, 1] } else { [3, 0, 2] },
            "points": some(&[3, 3], 8),
        },
    })
}

fn kmeans() -> Value {
    json!({
        "points": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 5.0], [6.0, 7.0]],
        "centroids": [[0.5, 0.25], [5.0, 6.5]],
    })
}

/// A function of each module, with a valid input.
fn all() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("hello", "square", json!(3.0)),
        ("hello", "double", json!(3.0)),
        ("gmm", "objective", gmm()),
        ("gmm", "jacobian", gmm()),
        ("ba", "objective", ba(2, 3, 4)),
        ("ba", "jacobian", ba(2, 3, 4)),
        ("ht", "objective", ht(true, false)),
        ("ht", "jacobian", ht(true, false)),
        ("lstm", "objective", lstm(3)),
        ("lstm", "jacobian", lstm(3)),
        ("kmeans", "cost", kmeans()),
        ("kmeans", "dir", kmeans()),
        ("llsq", "primal", json!({ "x": some(&[5], 1), "n": 4 })),
        ("llsq", "gradient", json!({ "x": some(&[5], 1), "n": 4 })),
        ("lse", "primal", json!({ "x": some(&[5], 1) })),
        ("lse", "gradient", json!({ "x": some(&[5], 1) })),
        ("det", "primal", json!({ "A": some(&[9], 1), "ell": 3 })),
        ("det", "gradient", json!({ "A": some(&[9], 1), "ell": 3 })),
        ("ode", "primal", json!({ "x": some(&[3], 1), "s": 2 })),
        ("ode", "gradient", json!({ "x": some(&[3], 1), "s": 2 })),
        ("particle", "rr", json!({ "w": 0.0 })),
        ("saddle", "rr", json!({ "start": [1.0, 1.0] })),
    ]
}

#[test]
fn hello_squares() {
    assert_eq!(output("hello", "square", &json!(-3)), 9.0);
    assert_eq!(output("hello", "double", &json!(4.5)), 9.0);
}

#[test]
fn gradients_agree_with_differences() {
    let primal = ["primal", "gradient"];
    for m in [1, 2, 5, 9] {
        check("llsq", primal, &json!({ "x": some(&[m], 1), "n": 7 }), "x", numbers);
    }
    check("lse", primal, &json!({ "x": some(&[6], 2) }), "x", numbers);
    for n in 1..=5 {
        check("det", primal, &json!({ "A": some(&[n * n], 3), "ell": n }), "A", numbers);
    }
    for (n, s) in [(1, 1), (4, 3), (6, 10)] {
        check("ode", primal, &json!({ "x": some(&[n], 4), "s": s }), "x", numbers);
    }
    let objective = ["objective", "jacobian"];
    for field in ["alpha", "mu", "q", "l"] {
        check("gmm", objective, &gmm(), field, |dy| numbers(&dy[field]));
    }
    // With one character more than a piece has steps, there is a second piece.
    for characters in [2, 5, 66] {
        let task = lstm(characters);
        check("lstm", objective, &task, "main_params", |dy| numbers(dy)[..48].to_vec());
        check("lstm", objective, &task, "extra_params", |dy| numbers(dy)[48..].to_vec());
    }
}

/// One component, of one dimension: ln N(x; μ, e⁻²q) + ln W(e²q; γ⁻², m + 2).
#[test]
fn a_mixture_of_one_is_its_gaussian() {
    let (x, mu, q, gamma): (f64, f64, f64, f64) = (0.3, -0.5, 0.25, 1.5);
    let input = json!({
        "d": 1, "k": 1, "n": 1, "m": 1, "gamma": gamma, "x": [[x]], "alpha": [0.75], "mu": [[mu]], "q": [[q]], "l": [[]],
    });
    let two_pi = std::f64::consts::TAU;
    let precision = (2.0 * q).exp();
    let gaussian = 0.5 * (precision / two_pi).ln() - 0.5 * precision * (x - mu).powi(2);
    // Three degrees of freedom: Γ(3/2) = √π/2.
    let wishart = 0.5 * precision.ln()
        - 0.5 * gamma.powi(2) * precision
        - 1.5 * (2.0 / gamma.powi(2)).ln()
        - (0.5 * (two_pi / 2.0).sqrt()).ln();
    close(&[output("gmm", "objective", &input).as_f64().unwrap()], &[gaussian + wishart], 1e-14);
}

#[test]
fn sums_of_exponentials_do_not_overflow() {
    let input = json!({ "x": [1000.0, 1000.0] });
    close(&numbers(&output("lse", "primal", &input)), &[1000.0 + 2f64.ln()], 1e-15);
    assert_eq!(output("lse", "gradient", &input), json!([0.5, 0.5]));
}

/// Larger determinants are computed piece by piece: that of a matrix with one exchange of rows, and Laplace's expansion
/// of any matrix by the gradient, along each row.
#[test]
fn larger_determinants_expand() {
    let n = 9;
    let mut exchange = vec![0.0; n * n];
    (0..n).for_each(|i| exchange[i * n + if i < 2 { 1 - i } else { i }] = 2.0);
    assert_eq!(output("det", "primal", &json!({ "A": exchange, "ell": n })), -512.0);

    let input = json!({ "A": some(&[n * n], 5), "ell": n });
    let (a, slope) = (numbers(&input["A"]), numbers(&output("det", "gradient", &input)));
    let determinant = output("det", "primal", &input).as_f64().unwrap();
    for row in 0..n {
        let expansion: f64 = (row * n..(row + 1) * n).map(|i| a[i] * slope[i]).sum();
        close(&[expansion], &[determinant], 1e-10);
    }
}

#[test]
fn projections_have_their_derivatives() {
    let mut still = ba(1, 1, 1);
    (0..3).for_each(|i| still["cam"][i] = json!(0.0));
    for input in [ba(1, 1, 1), still] {
        let jacobian = output("ba", "jacobian", &input);
        let distances = |input: &Value| numbers(&output("ba", "objective", input)["reproj_error"]["elements"]);
        let by_weight = {
            let at = |w: f64| {
                let mut moved = input.clone();
                moved["w"] = json!(0.7 + w);
                distances(&moved)
            };
            at(1e-5).iter().zip(at(-1e-5)).map(|(a, b)| (a - b) / 2e-5).collect()
        };
        let mut columns = differences(&input, "cam", distances);
        columns.extend(differences(&input, "x", distances));
        columns.push(by_weight);
        let rows = [0, 1].map(|row| columns.iter().map(|column| column[row]).collect::<Vec<f64>>()).concat();
        // The last element is the derivative of 1 - w².
        close(&numbers(&jacobian["vals"]), &[rows, vec![-1.4]].concat(), 1e-6);
        let regular = output("ba", "objective", &input)["w_err"]["element"].as_f64().unwrap();
        close(&[regular], &[1.0 - 0.49], 1e-15);
    }
    // Rows begin every 15 elements; cameras come first, then points, then weights. More observations than one piece has.
    let (n, m, p) = (2, 3, 2050);
    let jacobian = output("ba", "jacobian", &ba(n, m, p));
    let columns: Vec<usize> = (0..11).chain(22..25).chain([31]).collect();
    let expected = [&columns[..], &columns, &[31 + p - 1]].concat();
    assert_eq!(jacobian["cols"], json!(expected));
    let starts: Vec<usize> = (0..30).map(|row| 15 * row).chain([31 * p]).collect();
    assert_eq!(jacobian["rows"], json!(starts));
    assert_eq!(jacobian["vals"], output("ba", "jacobian", &ba(1, 1, 1))["vals"]);
}

#[test]
fn distances_from_the_hand_have_their_derivatives() {
    let mut still = ht(true, false);
    (0..3).for_each(|i| still["theta"][i] = json!(0.0));
    for input in [ht(true, false), ht(true, true), ht(false, false)] {
        let distances = |input: &Value| numbers(&output("ht", "objective", input));
        let by_pose = differences(&input, "theta", distances);
        let by_place = differences(&input, "us", distances);
        let rows = output("ht", "jacobian", &input);
        for (i, row) in rows.as_array().unwrap().iter().enumerate() {
            // A distance depends on the place of its own point alone.
            let own = by_place.iter().skip(2 * (i / 3)).take(2).map(|column| column[i]);
            let expected: Vec<f64> = own.chain(by_pose.iter().map(|column| column[i])).collect();
            close(&numbers(row), &expected, 1e-5);
        }
    }
    // Without a turn, the hand is where it is at rest, and the derivatives by the turn are 0, as in the suite.
    let rows = output("ht", "jacobian", &still);
    assert!(rows.as_array().unwrap().iter().all(|row| numbers(row)[2..5] == [0.0; 3]));
}

/// Newton's step of a cluster is the way from the mean of its points to its centroid.
#[test]
fn centroids_step_to_means() {
    let cost = (0.25 + 0.0625) + (0.25 + 0.0625) + (0.25 + 0.5625) + 2.25 + (1.0 + 0.25);
    close(&numbers(&output("kmeans", "cost", &kmeans())), &[cost], 1e-14);
    let steps = [0.5 - 1.0 / 3.0, 0.25 - 1.0 / 3.0, 5.0 - 5.5, 6.5 - 6.0];
    close(&numbers(&output("kmeans", "dir", &kmeans())), &steps, 1e-14);
}

/// The values that the suite expects, in all four combinations of modes.
#[test]
fn searches_end_where_the_suite_expects() {
    for modes in ["ff", "fr", "rf", "rr"] {
        let w = output("particle", modes, &json!({ "w": 0.0 }));
        close(&numbers(&w), &[0.2071918746486116], 1e-12);
        let saddle = output("saddle", modes, &json!({ "start": [1.0, 1.0] }));
        close(&numbers(&saddle), &[8.246324826140356e-06; 4], 1e-12);
    }
}

#[test]
fn evaluations_are_repeated_as_often_as_asked() {
    let timings = |runs: usize, seconds: f64| {
        let input = json!({ "x": [1.0, 2.0], "min_runs": runs, "min_seconds": seconds });
        let response = evaluation("lse", "gradient", &input);
        let timings = response["timings"].as_array().unwrap().clone();
        assert!(timings.iter().all(|timing| timing["name"] == "evaluate" && timing["nanoseconds"].is_u64()));
        timings
    };
    assert_eq!(timings(1, 0.0).len(), 1);
    assert_eq!(timings(5, 0.0).len(), 5);
    let total: u64 = timings(1, 0.01).iter().map(|timing| timing["nanoseconds"].as_u64().unwrap()).sum();
    assert!(total >= 10_000_000);
}

#[test]
fn every_message_is_answered() {
    let session = concat!(
        r#"{"id": 0, "kind": "start", "eval": "hello"}"#,
        "\n",
        r#"{"id": 1, "kind": "define", "module": "hello"}"#,
        "\n",
        r#"{"id": 2, "kind": "define", "module": "goodbye"}"#,
        "\n\n",
        r#"{"id": 3, "kind": "analysis", "of": 2, "valid": true}"#,
        "\n",
        r#"{"id": 4, "kind": "a later invention"}"#,
        "\n",
        "{\"id\": 5, \"kind\"\n[1, 2]\n\"text\"\n\u{1}\n",
        r#"{"kind": "evaluate", "module": "hello"}"#,
    );
    let all = responses(session.as_bytes());
    assert_eq!(all[0], json!({ "id": 0, "tool": "wengert" }));
    assert_eq!(all[1], json!({ "id": 1, "success": true }));
    assert_eq!(all[2], json!({ "id": 2, "success": false, "error": "there is no module \"goodbye\"" }));
    assert_eq!(all[3..5], [json!({ "id": 3 }), json!({ "id": 4 })]);
    assert_eq!(all.len(), 10);
    for refused in &all[5..] {
        assert_eq!((&refused["id"], &refused["success"]), (&Value::Null, &json!(false)), "{refused}");
    }
    assert!(all[5]["error"].as_str().unwrap().contains("not JSON"));
    assert_eq!(responses(b"\xff\xfe\n").len(), 1);
}

#[test]
fn unusable_inputs_are_errors() {
    let refused = |module: &str, function: &str, input: &Value, part: &str| {
        let response = evaluation(module, function, input);
        assert_eq!(response["success"], false, "{module} {function} {input}: {response}");
        let error = response["error"].as_str().unwrap();
        assert!(error.contains(part), "{module} {function}: {error:?} does not contain {part:?}");
    };
    for (module, function, input) in all() {
        assert_eq!(evaluation(module, function, &input)["success"], true, "{module}");
        refused(module, "no such function", &input, "no such function");
        refused(module, function, &Value::Null, "input");
        for field in input.as_object().into_iter().flat_map(|fields| fields.keys()) {
            let mut less = input.clone();
            less.as_object_mut().unwrap().remove(field);
            refused(module, function, &less, field);
            for other in [json!(null), json!("text"), json!({}), json!([[[[]]]]), json!(-1), json!([1, "x"])] {
                let mut wrong = input.clone();
                wrong[field] = other;
                let response = evaluation(module, function, &wrong);
                assert!(response["success"].is_boolean() && response["id"] == 7, "{module} {field}: {response}");
            }
        }
        if let Some(fields) = input.as_object() {
            let mut wrong = fields.clone();
            wrong.insert("min_runs".into(), json!("many"));
            refused(module, function, &wrong.into(), "min_runs");
            let mut wrong = fields.clone();
            wrong.insert("min_seconds".into(), json!(-1.0));
            refused(module, function, &wrong.into(), "min_seconds");
        }
    }
    let with = |mut input: Value, path: &str, value: Value| {
        *input.pointer_mut(path).unwrap() = value;
        input
    };
    refused("gmm", "objective", &with(gmm(), "/d", json!(4)), "input.mu[0]: expected 4 elements, but found 3");
    refused("gmm", "objective", &with(gmm(), "/mu/1/2", json!("x")), "input.mu[1][2]: expected a number");
    refused("gmm", "objective", &with(gmm(), "/k", json!(0)), "at least 1");
    refused("ba", "objective", &with(ba(1, 1, 1), "/p", json!(1e9)), "input.p: expected a whole number");
    refused("ht", "jacobian", &with(ht(true, false), "/data/correspondences/1", json!(2)), "correspondences[1]");
    refused("ht", "jacobian", &with(ht(true, false), "/data/model/parents/1", json!(5)), "parent");
    refused("ht", "jacobian", &with(ht(true, false), "/data/model/bone_count", json!(3)), "bones");
    refused("lstm", "jacobian", &with(lstm(3), "/sequence", json!([[1.0, 0.0, 1.0]])), "two characters");
    refused("det", "primal", &json!({ "A": [1.0], "ell": 14 }), "factorial");
    refused("kmeans", "dir", &with(kmeans(), "/centroids", json!([])), "at least one");
    refused("llsq", "primal", &json!({ "x": [1.0], "n": 1 }), "two points");
    refused("ode", "primal", &json!({ "x": [1.0], "s": 0 }), "one step");
    refused("particle", "ff", &json!({ "w": "zero" }), "input.w: expected a number");
    refused("saddle", "ff", &json!({ "start": [1.0] }), "input.start: expected 2 elements");
}
