//! The sizes that the style guide allows: 400 lines a file without its tests, 60 a function.
//!
//! Rust is not parsed: rustfmt lays code out so that an item ends at the first `}` as far in as its own first line.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

const FILE: usize = 400;
const FUNCTION: usize = 60;

/// Fails if a source file of the workspace is too long, or has a function that is; names each by file and line.
pub(crate) fn check() -> Result<()> {
    let root = workspace::root();
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut found = 0;
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let file = path.strip_prefix(&root).unwrap_or(&path);
        for Excess { line, problem } in excesses(&text, holds_tests(file)) {
            eprintln!("{}:{line}: {problem}", file.display());
            found += 1;
        }
    }
    if found > 0 {
        bail!("{found} too long: at most {FILE} lines a file without its tests and {FUNCTION} a function");
    }
    Ok(())
}

/// All Rust files below the folder, except in what cargo builds and in hidden folders.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                collect(&path, files)?;
            }
        } else if path.extension() == Some(OsStr::new("rs")) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether the whole file is tests, which may be as long as the tables in them.
fn holds_tests(file: &Path) -> bool {
    file.starts_with("tests") || file.ends_with("tests.rs")
}

struct Excess {
    /// Counted from 1, as editors do.
    line: usize,
    problem: String,
}

fn excesses(text: &str, tests: bool) -> Vec<Excess> {
    let lines: Vec<&str> = text.lines().collect();
    let mut excesses = Vec::new();
    let code = lines.len() - test_lines(&lines);
    if code > FILE && !tests {
        excesses.push(Excess { line: 1, problem: format!("the file has {code} lines without its tests") });
    }
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
        let length = item_lines(&lines[at..]);
        if length > FUNCTION {
            excesses.push(Excess { line: at + 1, problem: format!("{length} lines: {}", line.trim()) });
        }
    }
    excesses
}

/// How many lines the file's own test modules have.
fn test_lines(lines: &[&str]) -> usize {
    let modules = lines.windows(2).enumerate();
    let modules = modules.filter(|(_, pair)| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    modules.map(|(at, _)| 1 + item_lines(&lines[at + 1..])).sum()
}

fn begins_function(line: &str) -> bool {
    let qualifies = |word: &&str| {
        matches!(*word, "pub" | "const" | "async" | "unsafe" | "extern")
            || word.starts_with("pub(")
            || word.starts_with('"')
    };
    line.split_whitespace().find(|word| !qualifies(word)) == Some("fn")
}

/// How many of these lines the item has that begins on the first one.
fn item_lines(lines: &[&str]) -> usize {
    let first = lines.first().map_or("", |line| line);
    let indent = &first[..first.len() - first.trim_start().len()];
    let mut body = false;
    let last = lines.iter().position(|line| {
        let code = line.split(" // ").next().unwrap_or(line);
        body |= code.ends_with('{');
        if body {
            line.strip_prefix(indent).is_some_and(|rest| rest.starts_with('}'))
        } else {
            // `fn of_a_trait();`, `mod tests;`, `fn empty() {}`
            code.ends_with([';', '}'])
        }
    });
    last.map_or(lines.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[usize]) {
        let lines: Vec<_> = excesses(text, false).iter().map(|excess| excess.line).collect();
        assert_eq!(lines, expected, "{text}");
    }

    fn function(signature: &str, indent: &str, lines: usize) -> String {
        let body = format!("{indent}    if true {{\n{indent}    }}\n").repeat((lines - 2) / 2);
        format!("{indent}{signature} {{\n{body}{indent}}}\n")
    }

    #[test]
    fn given_a_function_of_more_than_60_lines_then_its_first_line_is_named() {
        for signature in ["fn f()", "pub(crate) async fn f() -> u8", "pub unsafe extern \"C\" fn f()", "const fn f()"] {
            for indent in ["", "    "] {
                check(&function(signature, indent, 60), &[]);
                check(&function(signature, indent, 62), &[1]);
                check(&(function(signature, indent, 60) + &function(signature, indent, 62)), &[61]);
            }
        }
    }

    #[test]
    fn given_a_signature_of_several_lines_then_they_count() {
        let signature = "fn f<T>(\n    t: T,\n)\nwhere\n    T: Copy,\n{ // why";
        check(&format!("{signature}\n{}}}\n", "    g();\n".repeat(53)), &[]);
        check(&format!("{signature}\n{}}}\n", "    g();\n".repeat(54)), &[1]);
    }

    #[test]
    fn given_functions_without_a_body_then_what_follows_is_not_theirs() {
        let rest = "    const A: u8 = 0;\n".repeat(70);
        check(
            &format!(
                "trait T {{\n    fn f();\n    fn g()\n    where\n        Self: Sized;\n    fn h() {{}}\n{rest}}}\n"
            ),
            &[],
        );
    }

    #[test]
    fn given_more_than_400_lines_then_the_tests_among_them_do_not_count() {
        let code = "const A: u8 = 0;\n".repeat(400);
        let tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        check(&format!("{code}{tests}"), &[]);
        check(&format!("{tests}{code}#[cfg(test)]\nfn f() {{}}\n"), &[1]);
        check(&format!("#[cfg(test)]\nmod tests;\n{code}"), &[]);
        check(&format!("#[cfg(test)]\nmod tests;\n{code}\n"), &[1]);
    }

    #[test]
    fn given_a_file_of_tests_then_it_may_be_long_but_its_functions_may_not() {
        for (file, expected) in
            [("tests/redirect.rs", true), ("routing/src/table/tests.rs", true), ("xtask/src/test.rs", false)]
        {
            assert_eq!(holds_tests(Path::new(file)), expected, "{file}");
        }
        let text = "const A: u8 = 0;\n".repeat(400) + &function("fn f()", "", 62);
        let lines: Vec<_> = excesses(&text, true).iter().map(|excess| excess.line).collect();
        assert_eq!(lines, [401]);
    }
}
