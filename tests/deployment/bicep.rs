//! Reads the Bicep files with tree-sitter's grammar.

use std::{collections::BTreeSet, fs};

use tree_sitter::{Node, Parser, Tree};

use crate::root;

/// A Bicep file of `infra/`.
pub struct File {
    pub name: String,
    source: String,
    tree: Tree,
}

/// A declaration in a file: a parameter, an output, a module, …
#[derive(Clone, Copy)]
pub struct Declaration<'a> {
    pub name: &'a str,
    pub node: Node<'a>,
    file: &'a File,
}

/// All files.
pub fn files() -> Vec<File> {
    let mut names: Vec<_> = fs::read_dir(root().join("infra"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".bicep"))
        .collect();
    names.sort();
    names.iter().map(|name| file(name)).collect()
}

/// One file.
pub fn file(name: &str) -> File {
    File::parse(name, &crate::read(&format!("infra/{name}")))
}

impl File {
    fn parse(name: &str, source: &str) -> Self {
        // The grammar does not support this declaration yet. Empty lines preserve the line numbers.
        let known: Vec<_> = source
            .lines()
            .map(|line| {
                if line.starts_with("extension ") {
                    ""
                } else {
                    line
                }
            })
            .collect();
        let source = known.join("\n");
        let mut parser = Parser::new();
        parser
            .set_language(&tree_sitter_bicep::LANGUAGE.into())
            .unwrap();
        Self {
            name: name.to_owned(),
            tree: parser.parse(&source, None).unwrap(),
            source,
        }
    }

    /// The whole file.
    pub fn top(&self) -> Node<'_> {
        self.tree.root_node()
    }

    /// The source text of a node.
    pub fn text(&self, node: Node<'_>) -> &str {
        &self.source[node.byte_range()]
    }

    /// The parameters.
    pub fn parameters(&self) -> Vec<Declaration<'_>> {
        self.declarations("parameter_declaration")
    }

    /// The outputs.
    pub fn outputs(&self) -> Vec<Declaration<'_>> {
        self.declarations("output_declaration")
    }

    /// The variables.
    pub fn variables(&self) -> Vec<Declaration<'_>> {
        self.declarations("variable_declaration")
    }

    /// The modules.
    pub fn modules(&self) -> Vec<Declaration<'_>> {
        self.declarations("module_declaration")
    }

    /// The variable of this name.
    #[track_caller]
    pub fn variable(&self, name: &str) -> Declaration<'_> {
        self.declaration("variable_declaration", name)
    }

    /// The module of this name.
    #[track_caller]
    pub fn module(&self, name: &str) -> Declaration<'_> {
        self.declaration("module_declaration", name)
    }

    /// The resource of this name, wherever it is nested.
    #[track_caller]
    pub fn resource(&self, name: &str) -> Declaration<'_> {
        self.declaration("resource_declaration", name)
    }

    fn declaration(&self, kind: &str, name: &str) -> Declaration<'_> {
        let mut declarations = self.declarations(kind).into_iter();
        match declarations.find(|declaration| declaration.name == name) {
            Some(declaration) => declaration,
            None => panic!("{} has no {kind} {name}", self.name),
        }
    }

    fn declarations(&self, kind: &str) -> Vec<Declaration<'_>> {
        descendants(self.top())
            .into_iter()
            .filter(|node| node.kind() == kind)
            .map(|node| Declaration {
                name: self.text(node.named_child(0).unwrap()),
                node,
                file: self,
            })
            .collect()
    }

    /// The names of the parameters and variables in expressions.
    pub fn references(&self) -> BTreeSet<&str> {
        descendants(self.top())
            .into_iter()
            .filter(|node| node.kind() == "identifier" && !names_something(*node))
            .map(|node| self.text(node))
            .collect()
    }

    /// The text of a string without interpolation.
    pub fn string(&self, node: Node<'_>) -> Option<&str> {
        let is_plain = node.kind() == "string"
            && descendants(node)
                .iter()
                .all(|part| part.kind() != "interpolation");
        is_plain.then(|| self.text(node).trim_matches('\''))
    }

    /// Names and values of an object's properties.
    pub fn properties<'a>(&'a self, object: Node<'a>) -> Vec<(&'a str, Node<'a>)> {
        assert_eq!(object.kind(), "object", "{}", self.text(object));
        children(object)
            .into_iter()
            .filter(|node| node.kind() == "object_property" && node.named_child_count() >= 2)
            .map(|node| {
                let name = self.text(node.named_child(0).unwrap()).trim_matches('\'');
                (name, children(node).pop().unwrap())
            })
            .collect()
    }

    /// The value of an object's property.
    #[track_caller]
    pub fn property<'a>(&'a self, object: Node<'a>, name: &str) -> Node<'a> {
        let mut properties = self.properties(object).into_iter();
        match properties.find(|(key, _)| *key == name) {
            Some((_, value)) => value,
            None => panic!("no {name} in {}", self.text(object)),
        }
    }
}

impl<'a> Declaration<'a> {
    /// The expression that the declaration ends with: a value, or the body of a resource or module.
    pub fn value(self) -> Node<'a> {
        children(self.node).pop().unwrap()
    }

    /// The value of a property of a resource or module.
    #[track_caller]
    pub fn property(self, name: &str) -> Node<'a> {
        self.file.property(self.value(), name)
    }

    /// Whether a parameter may be left out: it can be null or has a default.
    pub fn is_optional(self) -> bool {
        let kinds = children(self.node).into_iter().map(|node| node.kind());
        let is_nullable = descendants(self.node)
            .iter()
            .any(|node| node.kind() == "nullable_type");
        is_nullable || kinds.skip(1).any(|kind| kind != "type")
    }

    /// The decorators of this name.
    pub fn has_decorator(self, name: &str) -> bool {
        let decorators = self
            .node
            .prev_named_sibling()
            .filter(|node| node.kind() == "decorators");
        decorators.is_some_and(|decorators| {
            let text = self.file.text(decorators);
            text.starts_with(&format!("@{name}(")) || text.contains(&format!("\n@{name}("))
        })
    }

    /// The path of a module's file.
    pub fn module_file(self) -> &'a str {
        self.file.string(self.node.named_child(1).unwrap()).unwrap()
    }
}

/// Whether an identifier is the name of a property, declaration or lambda's variable, rather than a reference.
fn names_something(identifier: Node<'_>) -> bool {
    let parent = identifier.parent().unwrap();
    let names = parent.kind() == "object_property" || parent.kind().ends_with("_declaration");
    names && parent.named_child(0) == Some(identifier)
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor)
        .filter(|child| !["comment", "diagnostic_comment"].contains(&child.kind()))
        .collect()
}

/// The node and everything in it.
pub fn descendants(node: Node<'_>) -> Vec<Node<'_>> {
    let mut all = vec![node];
    let mut next = 0;
    while let Some(node) = all.get(next).copied() {
        let mut cursor = node.walk();
        all.extend(node.children(&mut cursor));
        next += 1;
    }
    all
}
