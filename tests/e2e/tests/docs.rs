//! What the documents point at is there: each test that a table names, each file that a link leads to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold no sources of ours.
const SKIPPED: [&str; 4] = [".git", "artifacts", "corpus", "target"];

#[test]
fn every_test_that_the_fidelity_tables_name_exists() {
    let root = root();
    let tables = fs::read_to_string(root.join("docs/fidelity.md")).unwrap();
    let named: BTreeSet<_> = tables.lines().flat_map(tests_of_row).collect();
    assert!(named.len() > 40, "the tables were not read: {named:?}");

    let mut tests = BTreeSet::new();
    for path in files(&root.join("tests"), &["py", "rs"]) {
        let text = fs::read_to_string(path).unwrap();
        tests.extend(text.lines().filter_map(defined).map(str::to_owned));
    }
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !tests.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let root = root();
    let mut documents = files(&root.join("docs"), &["md"]);
    documents.push(root.join("README.md"));
    let mut links = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in links_of(&text) {
            let file = link.split('#').next().unwrap();
            let leads_to = document.parent().unwrap().join(file);
            assert!(leads_to.exists(), "{}: {link}", document.display());
            links += 1;
        }
    }
    assert!(links > 5, "only {links} links were found");
}

/// The tests that the last cell of a table's row names in backticks; those of files are no identifiers.
fn tests_of_row(line: &str) -> Vec<&str> {
    let row = line
        .strip_prefix('|')
        .and_then(|line| line.strip_suffix('|'));
    let cell = row
        .and_then(|row| row.rsplit('|').next())
        .unwrap_or_default();
    let quoted = cell.split('`').skip(1).step_by(2);
    let is_test = |name: &&str| {
        let is_identifier = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_identifier && name.matches('_').count() > 1
    };
    quoted.filter(is_test).collect()
}

/// The function that a line of Rust or Python defines.
fn defined(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line
        .strip_prefix("fn ")
        .or_else(|| line.strip_prefix("def "))?;
    name.split(['(', '<']).next()
}

/// The targets of a document's links, but for those of the web and within the document.
fn links_of(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.starts_with("http") && !target.starts_with('#'))
}

fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !SKIPPED.contains(&&*name) {
            found.extend(files(&path, extensions));
        } else if extensions.contains(&&*extension) {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
