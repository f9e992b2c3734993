//! The protocol of the suite: messages to define a module and to evaluate a function of it, and the responses.

use super::input::Input;
use super::{ba, det, gmm, hello, ht, kmeans, llsq, lse, lstm, ode, particle, saddle};
use serde_json::{Value, json};
use std::io::{BufRead, Result as IoResult, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Evaluates a function of a module, which is given by its name.
type Evaluate = fn(&str, &Input) -> Result<Reply, String>;

/// The modules by name.
const MODULES: [(&str, Evaluate); 12] = [
    ("ba", ba::evaluate),
    ("det", det::evaluate),
    ("gmm", gmm::evaluate),
    ("hello", hello::evaluate),
    ("ht", ht::evaluate),
    ("kmeans", kmeans::evaluate),
    ("llsq", llsq::evaluate),
    ("lse", lse::evaluate),
    ("lstm", lstm::evaluate),
    ("ode", ode::evaluate),
    ("particle", particle::evaluate),
    ("saddle", saddle::evaluate),
];

/// The value of a function, and the times that its evaluations took.
pub struct Reply {
    output: Value,
    times: Vec<Duration>,
}

impl Reply {
    /// Evaluates `f` as often as the input asks for, timing each call, and turns the last value into JSON.
    pub fn timed<Y>(
        input: &Input,
        mut f: impl FnMut() -> Result<Y, String>,
        json: impl FnOnce(Y) -> Value,
    ) -> Result<Reply, String> {
        let (runs, total) = input.runs()?;
        let mut times = Vec::new();
        let mut elapsed = Duration::ZERO;
        loop {
            let start = Instant::now();
            let y = f()?;
            let time = start.elapsed();
            times.push(time);
            elapsed += time;
            if times.len() >= runs && elapsed >= total {
                return Ok(Reply { output: json(y), times });
            }
        }
    }
}

/// Answers every line of `messages` with a line of `responses`.
pub fn serve(messages: impl BufRead, mut responses: impl Write) -> IoResult<()> {
    for line in messages.split(b'\n') {
        let line = line?;
        if !line.trim_ascii().is_empty() {
            writeln!(responses, "{}", respond(line))?;
            responses.flush()?;
        }
    }
    Ok(())
}

fn respond(line: Vec<u8>) -> Value {
    let message: Value = match serde_json::from_slice(&line) {
        Ok(message) => message,
        Err(error) => return failed(format!("the message is not JSON: {error}"), &Value::Null),
    };
    // The text of a large message takes as much memory as its evaluation.
    drop(line);
    let id = &message["id"];
    let module = message["module"].as_str().unwrap_or_default();
    let evaluate = MODULES.iter().find(|(name, _)| *name == module).map(|(_, evaluate)| evaluate);
    match (message["kind"].as_str(), evaluate) {
        (None, _) => failed("the message has no kind".into(), id),
        (Some("start"), _) => json!({ "id": id, "tool": "wengert" }),
        (Some("define" | "evaluate"), None) => failed(format!("there is no module {module:?}"), id),
        (Some("define"), Some(_)) => json!({ "id": id, "success": true }),
        (Some("evaluate"), Some(evaluate)) => match evaluated(*evaluate, &message) {
            Ok(reply) => {
                let timing = |time: &Duration| json!({ "name": "evaluate", "nanoseconds": time.as_nanos() as u64 });
                let timings: Vec<Value> = reply.times.iter().map(timing).collect();
                json!({ "id": id, "success": true, "output": reply.output, "timings": timings })
            }
            Err(error) => failed(error, id),
        },
        (Some(_), _) => json!({ "id": id }),
    }
}

fn failed(error: String, id: &Value) -> Value {
    json!({ "id": id, "success": false, "error": error })
}

/// A panic of the library about inconsistent input is also an error of the message.
fn evaluated(evaluate: Evaluate, message: &Value) -> Result<Reply, String> {
    let function = message["function"].as_str().ok_or("the message names no function")?;
    let input = Input::new(&message["input"]);
    catch_unwind(AssertUnwindSafe(|| evaluate(function, &input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the evaluation failed").into())
    })
}

/// The answer to a function that a module does not have.
pub fn unknown(function: &str) -> Result<Reply, String> {
    Err(format!("the module has no function {function:?}"))
}
