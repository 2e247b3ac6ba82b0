//! Documents that are made from code.

use std::path::Path;

/// The file of the project's is `made`; with `UPDATE_DOCS=1` it is written so.
pub(crate) fn is_up_to_date(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, made).expect("the document written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = |(written, made): &(&str, &str)| written != made;
    let first = written.lines().zip(made.lines()).enumerate().find(|(_, lines)| differs(lines));
    let update = "UPDATE_DOCS=1 cargo test -p meshlet-routing --test coverage";
    if let Some((number, (written, made))) = first {
        panic!("{name} line {}:\n  is    {written}\n  not   {made}\nrun {update}", number + 1);
    }
    assert_eq!(written.lines().count(), made.lines().count(), "{name} has other lines at its end; run {update}");
}
