//! The files of a new project, before they are written.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The content of a file.
enum Content {
    /// A copy of this file.
    Copy(PathBuf),
    Text(String),
}

/// The files by their paths, with `/`.
pub struct Project {
    files: BTreeMap<String, Content>,
}

impl Project {
    /// Takes these files of `root` unchanged.
    pub fn of(root: &Path, files: Vec<String>) -> Self {
        let content = |path: &String| Content::Copy(root.join(path));
        Self {
            files: files
                .into_iter()
                .map(|path| (path.clone(), content(&path)))
                .collect(),
        }
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Reads a file.
    pub fn text(&self, path: &str) -> Result<String, String> {
        match self.files.get(path) {
            Some(Content::Text(text)) => Ok(text.clone()),
            Some(Content::Copy(from)) => {
                fs::read_to_string(from).map_err(|error| format!("{path}: {error}"))
            }
            None => Err(format!("{path} is missing")),
        }
    }

    /// Adds or replaces a file.
    pub fn put(&mut self, path: &str, text: String) {
        self.files.insert(path.to_owned(), Content::Text(text));
    }

    /// Changes a file, which must exist.
    pub fn change(
        &mut self,
        path: &str,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let changed = change(&self.text(path)?).map_err(|error| format!("{path}: {error}"))?;
        self.put(path, changed);
        Ok(())
    }

    /// Changes a file that the user may have deleted from the template.
    pub fn change_if_there(
        &mut self,
        path: &str,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        if self.has(path) {
            self.change(path, change)
        } else {
            Ok(())
        }
    }

    /// Removes a file or, when the path ends with `/`, a folder. It may be missing.
    pub fn remove(&mut self, path: &str) {
        let is_meant = |file: &str| file == path || (path.ends_with('/') && file.starts_with(path));
        self.files.retain(|file, _| !is_meant(file));
    }

    /// Moves a file.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        let content = self.files.remove(from);
        let content = content.ok_or_else(|| format!("{from} is missing"))?;
        self.files.insert(to.to_owned(), content);
        Ok(())
    }

    /// Writes the files to a folder. Copies keep their permissions.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (path, content) in &self.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            match content {
                Content::Copy(from) => fs::copy(from, path).map(drop)?,
                Content::Text(text) => fs::write(path, text)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(root: &Path) -> Project {
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/b"), "old").unwrap();
        fs::write(root.join("c"), "same").unwrap();
        Project::of(root, vec!["a/b".into(), "c".into()])
    }

    #[test]
    fn what_is_changed_is_written_changed_and_the_rest_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let mut project = project(root.path());
        project
            .change("a/b", |text| Ok(text.replace("old", "new")))
            .unwrap();
        project.rename("c", "d").unwrap();
        let folder = root.path().join("project");
        project.write(&folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("a/b")).unwrap(), "new");
        assert_eq!(fs::read_to_string(folder.join("d")).unwrap(), "same");
        assert!(!folder.join("c").exists());
    }

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let mut project = project(root.path());
        project.put("ab", String::new());
        project.remove("a/");
        assert_eq!(project.paths().collect::<Vec<_>>(), ["ab", "c"]);
    }

    #[test]
    fn a_change_that_fails_names_the_file() {
        let root = tempfile::tempdir().unwrap();
        let mut project = project(root.path());
        let failed = project.change("c", |_| Err("no such text".into()));
        assert_eq!(failed.unwrap_err(), "c: no such text");
        assert_eq!(
            project.change("e", |_| unreachable!()).unwrap_err(),
            "e is missing"
        );
        project.change_if_there("e", |_| unreachable!()).unwrap();
    }
}
