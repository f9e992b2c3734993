//! Examples given unusable files print a message that names the file and exit with status 1; they neither panic nor
//! hang.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs an example that `cargo test` has built.
fn run(example: &str, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a test is a program");
    let built = test.ancestors().nth(2).expect("target/*/deps").join("examples").join(example);
    assert!(
        built.exists(),
        "{} does not exist: run `cargo test`, which builds it; `cargo test --test` alone does not",
        built.display()
    );
    Command::new(built).args(arguments).output().expect("the example runs")
}

/// Creates a file with this content in the directory for test files.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the directory is writable");
    path
}

#[track_caller]
fn refuses(example: &str, option: &str, path: &Path) {
    let path = path.to_str().expect("the path is valid UTF-8");
    let output = run(example, &[option, path]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{path}: {message}");
    assert!(message.starts_with("error: ") && message.contains(path), "{path}: {message}");
}

#[test]
fn the_language_model_refuses_what_is_no_text() {
    refuses("char_lstm", "--text", &file("absent", b"").with_file_name("no such text.txt"));
    refuses("char_lstm", "--text", Path::new(env!("CARGO_TARGET_TMPDIR")));
    refuses("char_lstm", "--text", &file("empty.txt", b""));
    refuses("char_lstm", "--text", &file("short.txt", "Ein kurzer Satz. ".repeat(20).as_bytes()));
    refuses("char_lstm", "--text", &file("binary.txt", &[b'a', 0xff, 0xfe].repeat(30_000)));
    #[cfg(unix)]
    refuses("char_lstm", "--text", Path::new("/dev/zero"));
}

#[test]
fn lenet_refuses_a_folder_without_pictures() {
    refuses("lenet", "--data", Path::new(env!("CARGO_TARGET_TMPDIR")));
    refuses("lenet", "--data", &file("no folder", b"a file"));
}

/// The formula for the cost of a distributed step matches a simulation of its messages.
#[test]
fn the_model_of_scaling_agrees_with_its_simulation() {
    let output = run("scaling", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("formula and simulation agree\n"));
}

/// The three jobs from a table to predictions reach what their data allow.
#[test]
fn tables_are_learned() {
    for (example, measure, least) in
        [("penguins", "test accuracy: ", 0.95), ("apartments", "test R2: ", 0.9), ("titanic", "test accuracy: ", 0.75)]
    {
        let output = run(example, &[]);
        let printed = String::from_utf8_lossy(&output.stdout);
        let value = printed.split(measure).nth(1).and_then(|rest| rest.get(..5)?.parse::<f64>().ok());
        assert!(
            value.is_some_and(|value| value >= least),
            "{example}: {printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = std::fs::read_to_string(format!("examples/{example}.rs")).expect("the example is here");
        let job = lines.split("fn main()").nth(1).expect("an example has a function main");
        assert!(job.lines().filter(|line| !line.trim().is_empty()).count() <= 22, "{example}: 20 lines and its braces");
    }
}

/// Where there is no terminal, the main job prints about ten lines of epochs, no escape codes, and pictures in letters.
#[test]
fn the_main_job_prints_little_and_writes_its_report() {
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("main job/report.html");
    let output = run("mlp", &[page.to_str().expect("the path is valid UTF-8")]);
    let [printed, progress] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    assert!(output.status.success(), "{progress}");
    assert!((9..=12).contains(&progress.lines().count()) && progress.starts_with("epoch   1/200  loss "), "{progress}");
    assert!(printed.lines().count() <= 45 && !printed.contains('\x1b'), "{printed}");
    assert!(printed.contains("\ntest accuracy: 97.") && printed.contains("@@"), "{printed}");
    assert!(printed.ends_with(&format!("report: {}\n", page.display())), "{printed}");
    let report = std::fs::read_to_string(page).expect("the report is there");
    assert!(report.contains("<h2>Confusion matrix</h2>") && report.len() < 150_000, "{} bytes", report.len());
}

#[test]
fn wrong_arguments_print_the_usage() {
    for example in [
        "char_lstm",
        "char_gpt",
        "lenet",
        "transformer",
        "symmetry",
        "family_trees",
        "vanishing_gradients",
        "optimizers",
    ] {
        let output = run(example, &["--no-such-argument"]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains("usage: "), "{example}: {message}");
    }
}

/// A picture without the numbers of source lines in its tooltips (`norm.rs:40`): an edit above a line must not make the
/// picture wrong.
fn without_line_numbers(svg: &str) -> String {
    let mut parts = svg.split(".rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + ".rs:" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn the_pictures_of_the_pages_are_those_that_the_example_draws() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    let output = run("draw_tape", &[folder.to_str().expect("the path is valid UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["neuron.svg", "worked_example.svg", "network.svg", "program.svg"] {
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures").join(name);
        let [shown, drawn] = [shown, folder.join(name)]
            .map(|path| without_line_numbers(&std::fs::read_to_string(path).expect("it is there")));
        assert!(shown == drawn, "run `cargo run --release --example draw_tape -- docs/pictures`: {name} has changed");
    }
}

#[test]
fn the_figures_are_drawn() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
    let output = run("figures", &[folder.to_str().expect("the path is valid UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["boundary.svg", "activations.svg", "correlations.svg"] {
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures").join(name);
        for path in [shown, folder.join(name)] {
            assert!(std::fs::read_to_string(&path).is_ok_and(|svg| svg.starts_with("<svg ")), "{}", path.display());
        }
    }
}

#[test]
fn the_figures_of_the_book_are_those_that_the_example_draws() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book_figures");
    let output = run("book_figures", &[folder.to_str().expect("the path is valid UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drawn: Vec<_> =
        std::fs::read_dir(&folder).expect("it wrote a folder").map(|file| file.unwrap().path()).collect();
    assert_eq!(drawn.len(), 9);
    for drawn in drawn {
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures").join(drawn.file_name().unwrap());
        let [shown, drawn] =
            [shown, drawn].map(|path| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}")));
        assert!(shown == drawn, "run `cargo run --release --example book_figures -- docs/pictures`");
    }
}
