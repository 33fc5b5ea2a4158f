//! Makes keys and signatures with `gpg` and `ssh-keygen`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Runs a program that must succeed, and returns its output.
#[track_caller]
fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; install gnupg and openssh-client"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    output.stdout
}

/// A home directory of `gpg` with one key.
pub struct Gpg {
    home: TempDir,
    /// The faked system time, e.g. `20200101T000000`.
    time: Option<&'static str>,
    user: String,
}

impl Gpg {
    /// Makes a key that never expires.
    pub fn new(algorithm: &str) -> Self {
        Gpg::at(algorithm, None, "never")
    }

    /// Makes a key with a faked system time.
    pub fn at(algorithm: &str, time: Option<&'static str>, expires: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let user = format!("{algorithm}@example.invalid");
        let gpg = Gpg { home, time, user };
        run(gpg.command().args([
            "--quick-generate-key",
            &gpg.user,
            algorithm,
            "sign,cert",
            expires,
        ]));
        gpg
    }

    fn command(&self) -> Command {
        self.command_at(self.time)
    }

    fn command_at(&self, time: Option<&str>) -> Command {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.home.path()).args([
            "--batch",
            "--quiet",
            "--yes",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        if let Some(time) = time {
            // With `!`, the time does not advance: otherwise the next command could start before the key was created.
            command.args(["--faked-system-time", &format!("{time}!")]);
        }
        command
    }

    /// Adds a subkey, which then makes all signatures.
    pub fn with_subkey(self, algorithm: &str) -> Self {
        let fingerprint = self.fingerprint();
        run(self
            .command()
            .args(["--quick-add-key", &fingerprint, algorithm, "sign", "never"]));
        self
    }

    fn fingerprint(&self) -> String {
        let listing = run(self.command().args(["--with-colons", "--list-keys"]));
        let listing = String::from_utf8(listing).expect("a text");
        let line = listing
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .expect("a fingerprint");
        line.split(':').nth(9).expect("the tenth field").to_owned()
    }

    /// Revokes the key with the revocation certificate from its creation.
    pub fn revoke(&self) {
        let path = self
            .home
            .path()
            .join(format!("openpgp-revocs.d/{}.rev", self.fingerprint()));
        let text = fs::read_to_string(&path).expect("a prepared revocation");
        fs::write(&path, text.replace(":-----BEGIN", "-----BEGIN")).expect("a written file");
        run(self.command().arg("--import").arg(&path));
    }

    /// Revokes the subkey.
    pub fn revoke_subkey(&self) {
        self.edit(&["key 1", "revkey", "y", "0", "", "y", "save"]);
    }

    /// Makes the key expire a month after its creation.
    pub fn expire(&self) {
        let fingerprint = self.fingerprint();
        // With the same time, it would not be clear which self-signature is the latest.
        let mut command = self.command_at(Some("20200102T000000"));
        run(command.args(["--quick-set-expire", &fingerprint, "30d"]));
    }

    /// Answers the prompts of `--edit-key`.
    fn edit(&self, answers: &[&str]) {
        let mut child = self
            .command_at(self.time)
            .args(["--command-fd", "0", "--status-fd", "2", "--edit-key"])
            .arg(self.fingerprint())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("gpg runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin
            .write_all(format!("{}\n", answers.join("\n")).as_bytes())
            .expect("gpg reads");
        drop(stdin);
        assert!(child.wait().expect("gpg ends").success());
    }

    pub fn key(&self) -> Vec<u8> {
        run(self.command().args(["--armor", "--export"]))
    }

    pub fn binary_key(&self) -> Vec<u8> {
        run(self.command().arg("--export"))
    }

    /// Signs with these additional arguments.
    pub fn sign_with(&self, bytes: &[u8], arguments: &[&str]) -> Vec<u8> {
        let file = self.home.path().join("document");
        fs::write(&file, bytes).expect("a written file");
        run(self
            .command()
            .args(arguments)
            .args(["--output", "-", "--detach-sign"])
            .arg(file))
    }

    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.sign_with(bytes, &["--armor"])
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

/// A key of `ssh-keygen`.
pub struct Ssh(TempDir);

impl Ssh {
    /// Makes a key with these additional arguments, e.g. `-t ed25519`.
    pub fn new(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        run(Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-f"])
            .arg(directory.path().join("key"))
            .args(arguments));
        Ssh(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn key(&self) -> Vec<u8> {
        fs::read(self.path("key.pub")).expect("a public key")
    }

    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.sign_for("kindling", bytes)
    }

    pub fn sign_for(&self, namespace: &str, bytes: &[u8]) -> Vec<u8> {
        let file = self.path("document");
        fs::write(&file, bytes).expect("a written file");
        let signature = Path::new(&file).with_extension("sig");
        let _ = fs::remove_file(&signature);
        run(Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.path("key"))
            .arg(&file));
        fs::read(signature).expect("a signature")
    }
}
