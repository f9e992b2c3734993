//! Texts in the languages of pictures: escapes, tables, numbers of things.

/// 1234567 as `1,234,567`.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut out = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !out.is_empty() {
            out.push(',');
        }
        out.extend(group.iter().map(|&digit| char::from(digit)));
    }
    out
}

/// At most this many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// As text in XML. Control characters, which XML does not allow, are removed.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

/// As a string in JSON that is safe inside a page's script.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' || c == '<' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Rows with a heading, in Markdown.
pub(crate) fn markdown<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut out = format!("| {} |\n|{}\n", heading.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        out += &format!("| {} |\n", cells.join(" | "));
    }
    out
}

/// Rows with a heading, in aligned columns.
pub(crate) fn aligned<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(width);
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(most, cell)| *most = width(cell).max(*most));
    }
    let line = |cells: [&str; N]| {
        let mut out = String::new();
        for (cell, most) in cells.into_iter().zip(widths) {
            out += cell;
            out += &" ".repeat(most + 2 - width(cell));
        }
        format!("{}\n", out.trim_end())
    };
    let mut out = line(heading);
    for row in rows {
        out += &line(std::array::from_fn(|i| row[i].as_str()));
    }
    out
}

/// The number of columns that a text takes: a bar over a letter takes none.
pub(crate) fn width(text: &str) -> usize {
    text.chars().filter(|&c| c != '\u{304}').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_groups_of_three() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        assert!(cases.into_iter().all(|(n, text)| count(n) == text));
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = [["a".to_owned(), "y\u{304}".to_owned()], ["long".to_owned(), "|".to_owned()]];
        assert_eq!(aligned(["x", "bar"], &rows), "x     bar\na     y\u{304}\nlong  |\n");
        assert_eq!(markdown(["x", "bar"], &rows), "| x | bar |\n|---|---|\n| a | y\u{304} |\n| long | \\| |\n");
    }

    #[test]
    fn nothing_ends_the_script_that_a_text_is_in() {
        assert_eq!(json("</script>\"\n"), "\"\\u003c/script>\\\"\\u000a\"");
        assert_eq!(xml("a < b & \"c\"\0\u{1b}\u{ffff}"), "a &lt; b &amp; &quot;c&quot;");
    }
}
