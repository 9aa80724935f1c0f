//! No import cycles between the modules of a crate. A module may import its ancestors, because parents know their children; apart
//! from that, its imports never lead back to it.
//!
//! Every path in the code is an import, except in tests. A re-exported name is also an import of the module that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree};

const CRATES: [&str; 12] = [
    "api",
    "broker",
    "certs",
    "cli",
    "core",
    "gateway",
    "gcp",
    "gcp-emulator",
    "sandbox",
    "service",
    "tests",
    "webhook",
];

/// A path in the code, such as `["crate", "rules", "Rules"]`.
type Segments = Vec<String>;

/// The paths in a module.
#[derive(Default)]
struct Module {
    /// Paths, as written.
    imports: BTreeSet<Segments>,
    /// Its re-exports, from name to path.
    reexports: BTreeMap<String, Segments>,
}

/// The modules of a crate by path; the crate itself is the empty path.
type Modules = BTreeMap<Segments, Module>;

fn is_test(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    };
    attributes.iter().any(is_test)
}

/// Reads a module's file, and those of its children.
fn read(file: &Path, path: &[String], modules: &mut Modules) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
    let mut module = Module::default();
    module.visit_file(&parsed);
    modules.insert(path.to_vec(), module);
    let folder = match path {
        [] => file.parent().map(PathBuf::from).unwrap_or_default(),
        _ => file.with_extension(""),
    };
    for item in &parsed.items {
        if let Item::Mod(child) = item
            && child.content.is_none()
            && !is_test(&child.attrs)
        {
            let name = child.ident.to_string();
            let file = folder.join(format!("{name}.rs"));
            read(&file, &[path, &[name]].concat(), modules)?;
        }
    }
    Ok(())
}

impl<'a> Visit<'a> for Module {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        if item.content.is_some() {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let is_public = !matches!(item.vis, syn::Visibility::Inherited);
        self.add_use(&item.tree, Vec::new(), is_public);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter().map(|s| s.ident.to_string());
        self.imports.insert(segments.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, macro_: &'a Macro) {
        let text = macro_.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        for word in words.filter(|word| word.contains("::")) {
            let segments = word.split("::").map(str::to_owned);
            self.imports.insert(segments.collect());
        }
        visit::visit_macro(self, macro_);
    }
}

impl Module {
    fn add_use(&mut self, tree: &UseTree, mut path: Segments, is_public: bool) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.add_use(&step.tree, path, is_public);
            }
            UseTree::Name(name) => self.add_name(&name.ident.to_string(), None, path, is_public),
            UseTree::Rename(rename) => {
                let new = Some(rename.rename.to_string());
                self.add_name(&rename.ident.to_string(), new, path, is_public);
            }
            UseTree::Glob(_) => {
                self.imports.insert(path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, path.clone(), is_public);
                }
            }
        }
    }

    fn add_name(&mut self, name: &str, new: Option<String>, mut path: Segments, is_public: bool) {
        if name != "self" {
            path.push(name.to_owned());
        }
        if is_public {
            let new = new.unwrap_or_else(|| name.to_owned());
            self.reexports.insert(new, path.clone());
        }
        self.imports.insert(path);
    }
}

/// The modules of this crate that a path refers to: the named one, and the one that defines a re-exported name.
fn targets(modules: &Modules, from: &[String], path: &[String], depth: usize) -> Vec<Segments> {
    let mut base = from.to_vec();
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate") => {
            base.clear();
            rest = &path[1..];
        }
        Some("self") => rest = &path[1..],
        Some("super") => {
            while rest.first().is_some_and(|word| word == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        Some(first) if modules.contains_key(&[from, &[first.to_owned()]].concat()) => {}
        _ => return Vec::new(),
    }
    while let Some(next) = rest.first() {
        let child = [base.as_slice(), std::slice::from_ref(next)].concat();
        if !modules.contains_key(&child) {
            break;
        }
        (base, rest) = (child, &rest[1..]);
    }
    let mut all = vec![base.clone()];
    let reexported = rest
        .first()
        .and_then(|name| modules.get(&base)?.reexports.get(name));
    if let Some(defined) = reexported.filter(|_| depth < 8) {
        all.extend(targets(modules, &base, defined, depth + 1));
    }
    all
}

/// The imports of each module, without its ancestors.
fn imports(modules: &Modules) -> BTreeMap<&Segments, BTreeSet<Segments>> {
    let of = |(path, module): (&'_ Segments, &Module)| -> BTreeSet<Segments> {
        let all = module.imports.iter();
        all.flat_map(|import| targets(modules, path, import, 0))
            .filter(|target| !path.starts_with(target))
            .collect()
    };
    modules
        .iter()
        .map(|(path, module)| (path, of((path, module))))
        .collect()
}

/// The modules that are in a cycle or lead into one: those that remain after repeatedly removing modules without imports.
fn cyclic(modules: &Modules) -> BTreeMap<String, Vec<String>> {
    let mut left = imports(modules);
    loop {
        let remaining: BTreeSet<Segments> = left.keys().map(|path| (*path).clone()).collect();
        let before = left.len();
        for imports in left.values_mut() {
            imports.retain(|import| remaining.contains(import));
        }
        left.retain(|_, imports| !imports.is_empty());
        if left.len() == before {
            break;
        }
    }
    let text = |path: &Segments| path.join("::");
    left.into_iter()
        .map(|(path, imports)| (text(path), imports.iter().map(text).collect()))
        .collect()
}

#[test]
fn no_crate_has_import_cycles_between_its_modules() -> Result<()> {
    for name in CRATES {
        let mut modules = Modules::new();
        let lib = workspace_root().join(name).join("src/lib.rs");
        read(&lib, &[], &mut modules)?;
        let cyclic = cyclic(&modules);
        ensure!(cyclic.is_empty(), "{name}: {cyclic:#?}");
    }
    Ok(())
}

#[test]
fn a_cycle_through_a_name_that_another_module_re_exports_is_found() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    fs::create_dir(folder.path().join("b"))?;
    write("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;")?;
    write("a.rs", "use crate::b::Thing; pub struct Other;")?;
    write("b.rs", "mod c; pub use c::Thing;")?;
    let found = |inner: &str| -> Result<Vec<String>> {
        write("b/c.rs", inner)?;
        let mut modules = Modules::new();
        read(&folder.path().join("lib.rs"), &[], &mut modules)?;
        Ok(cyclic(&modules).into_keys().collect())
    };
    ensure!(found("pub struct Thing;")?.is_empty());
    ensure!(found("#[cfg(test)] mod tests { use crate::a::Other; }")?.is_empty());
    for inner in [
        "pub struct Thing(crate::a::Other);",
        "use super::super::a; pub struct Thing(a::Other);",
        "fn f() { println!(\"{}\", crate::a::Other) }",
    ] {
        let found = found(inner)?;
        ensure!(found == ["a", "b", "b::c"], "{inner}: {found:?}");
    }
    Ok(())
}
