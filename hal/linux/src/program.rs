//! A program of the operator's, run without a shell.
//!
//! It is named by an absolute path, gets its arguments as they stand and nothing of the agent's environment, must belong to root
//! or to the agent's user and be writable by nobody else, has a time limit, and is always read dry: what it prints beyond a limit
//! is dropped or refused, never kept.

use core::fmt::Write as _;
use core::time::Duration;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// How long a program may take unless [`Program::with_time_limit`] says otherwise.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Most bytes that a program may print.
pub const STDOUT_LEN_MAX: usize = 256 * 1024;
/// Most bytes of the end of its error output that an error carries.
pub const STDERR_TAIL_LEN: usize = 1024;

/// What a program is given of the environment, besides `LC_ALL=C`.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// A program's descendants may keep its pipes open for ever; once it has ended itself, they are read for this long.
const DRAIN_AFTER_EXIT: Duration = Duration::from_millis(500);
const CHUNK_LEN: usize = 4096;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A program with its first arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    time_limit: Duration,
}

impl Program {
    /// Takes a command: an absolute path, then arguments.
    pub fn new(command: &[String]) -> Result<Self, ProgramError> {
        let (program, arguments) = command.split_first().ok_or(ProgramError::Empty)?;
        let path = PathBuf::from(program);
        if !path.is_absolute() {
            return Err(ProgramError::NotAbsolute { path });
        }
        Ok(Self {
            path,
            arguments: arguments.to_vec(),
            time_limit: TIME_LIMIT,
        })
    }

    /// The same program, killed after `limit`.
    #[must_use]
    pub const fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Runs the program with `more` arguments and `input` on its standard input; what it printed.
    ///
    /// It leads a process group of its own, which is killed at the time limit; the program alone is killed when the future is
    /// dropped.
    pub async fn run(&self, more: &[&str], input: &str) -> Result<String, ProgramError> {
        self.check_trusted()?;
        let mut child = self.spawn(more)?;
        let (mut printed, mut complained) = (Head::default(), Tail::default());

        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let ended = {
            let (stdin, stdout, stderr) = pipes;
            let talk = core::pin::pin!(async {
                tokio::join!(
                    feed(stdin, input),
                    drain(stdout, |bytes| printed.push(bytes)),
                    drain(stderr, |bytes| complained.push(bytes)),
                )
            });
            timeout(self.time_limit, wait(&mut child, talk)).await
        };

        let command = || self.command_line(more);
        let status = match ended {
            Ok(Ok(status)) => status,
            Ok(Err(cause)) => {
                return Err(ProgramError::Start {
                    command: command(),
                    cause,
                });
            }
            Err(_) => {
                kill(&child);
                return Err(ProgramError::TimedOut {
                    command: command(),
                    limit: self.time_limit,
                    stderr: complained.into_text(),
                });
            }
        };
        if !status.success() {
            return Err(ProgramError::Failed {
                command: command(),
                status: Ended(status),
                stderr: complained.into_text(),
            });
        }
        printed.into_text().ok_or_else(|| ProgramError::Output {
            command: command(),
            limit: STDOUT_LEN_MAX,
        })
    }

    fn spawn(&self, more: &[&str]) -> Result<Child, ProgramError> {
        Command::new(&self.path)
            .args(&self.arguments)
            .args(more)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| ProgramError::Start {
                command: self.command_line(more),
                cause,
            })
    }

    /// Whoever can write the program can become us.
    fn check_trusted(&self) -> Result<(), ProgramError> {
        let found = fs::metadata(&self.path).map_err(|cause| ProgramError::Start {
            command: self.path.display().to_string(),
            cause,
        })?;
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
        if ours && found.is_file() && found.mode() & WRITABLE_BY_OTHERS == 0 {
            return Ok(());
        }
        Err(ProgramError::Untrusted {
            path: self.path.clone(),
            owner: found.uid(),
            mode: found.mode() & 0o7777,
        })
    }

    fn command_line(&self, more: &[&str]) -> String {
        let mut line = self.path.display().to_string();
        for argument in self
            .arguments
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
        {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }
}

/// Why a program did not do what it was asked for.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The command has no words.
    #[error("the command is empty")]
    Empty,
    /// It ended with another exit code than 0, or by a signal.
    #[error("`{command}` failed with {status}{}", quoted(.stderr))]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: Ended,
        /// The end of its error output.
        stderr: String,
    },
    /// It is not named by an absolute path, and is never looked for.
    #[error("{path} is not an absolute path", path = path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// It printed more than it may, or something that is no text.
    #[error("`{command}` printed no text of at most {limit} bytes")]
    Output {
        /// Program and arguments.
        command: String,
        /// Most bytes.
        limit: usize,
    },
    /// It could not be started.
    #[error("cannot run `{command}`: {cause}")]
    Start {
        /// Program and arguments.
        command: String,
        /// What the kernel said.
        cause: io::Error,
    },
    /// It took too long and was killed.
    #[error("`{command}` was killed after {limit:?}{}", quoted(.stderr))]
    TimedOut {
        /// Program and arguments.
        command: String,
        /// How long it was given.
        limit: Duration,
        /// The end of its error output.
        stderr: String,
    },
    /// Somebody else could change it.
    #[error(
        "{path} (owner {owner}, mode {mode:04o}) must be a file of root's or of the agent's user that nobody else can write",
        path = path.display()
    )]
    Untrusted {
        /// The program.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended(pub ExitStatus);

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.code() {
            Some(code) => write!(f, "exit code {code}"),
            None => write!(f, "{}", self.0),
        }
    }
}

async fn wait<T>(
    child: &mut Child,
    mut talk: impl Future<Output = T> + Unpin,
) -> io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => {
            // Not all that was printed has to be read: what counts is how the program ended.
            let _ = timeout(DRAIN_AFTER_EXIT, talk).await;
            status
        }
        _ = &mut talk => child.wait().await,
    }
}

fn kill(child: &Child) {
    let leader = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(leader) = leader {
        // Fails only when the group is gone, which is what it is for.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// A program that does not read its input is no failure: its exit code says whether it did its work.
async fn feed(stdin: Option<ChildStdin>, input: &str) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input.as_bytes()).await;
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8])) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = vec![0; CHUNK_LEN];
    while let Ok(len @ 1..) = pipe.read(&mut chunk).await {
        take(chunk.get(..len).unwrap_or_default());
    }
}

/// The whole of a short text.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    longer: bool,
}

impl Head {
    fn push(&mut self, more: &[u8]) {
        self.longer |= self.bytes.len().saturating_add(more.len()) > STDOUT_LEN_MAX;
        if !self.longer {
            self.bytes.extend_from_slice(more);
        }
    }

    fn into_text(self) -> Option<String> {
        if self.longer {
            return None;
        }
        String::from_utf8(self.bytes).ok()
    }
}

/// The end of a text of any length.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        let over = self.bytes.len().saturating_sub(STDERR_TAIL_LEN);
        self.bytes.drain(..over);
    }

    fn into_text(self) -> String {
        let mut text = String::new();
        for c in String::from_utf8_lossy(&self.bytes).trim().chars() {
            // One line, so that nobody can write lines of their own into a log.
            let _ = match c {
                '\n' => text.write_str(" | "),
                c if c.is_control() => text.write_char('\u{fffd}'),
                c => text.write_char(c),
            };
        }
        text
    }
}

fn quoted(stderr: &str) -> String {
    if stderr.is_empty() {
        return String::new();
    }
    format!(": {stderr}")
}

#[cfg(test)]
pub(crate) mod fixture {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::Program;

    /// A shell script in a directory of its own.
    pub(crate) struct Script {
        directory: tempfile::TempDir,
    }

    impl Script {
        pub(crate) fn new(body: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let source = directory.path().join("source");
            fs::write(&source, format!("#!/bin/sh\n{body}\n")).unwrap();
            // Made by another process: a file that is open for writing here, when another test forks, cannot be executed.
            let made = Command::new("install")
                .arg("-m755")
                .args([source, directory.path().join("program")])
                .status()
                .unwrap();
            assert!(made.success());
            Self { directory }
        }

        pub(crate) fn directory(&self) -> &Path {
            self.directory.path()
        }

        pub(crate) fn path(&self) -> String {
            self.directory
                .path()
                .join("program")
                .to_str()
                .unwrap()
                .to_owned()
        }

        pub(crate) fn program(&self) -> Program {
            Program::new(&[self.path()]).unwrap()
        }

        pub(crate) fn read(&self, name: &str) -> String {
            fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
        }

        pub(crate) fn write(&self, name: &str, text: &str) {
            fs::write(self.directory.path().join(name), text).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::fixture::Script;
    use super::*;

    #[tokio::test]
    async fn arguments_and_input_arrive_as_they_stand() {
        let script = Script::new(r#"printf '%s\n' "$@"; cat"#);
        let command = [script.path(), "a b".to_owned(), "$HOME".to_owned()];
        let printed = Program::new(&command).unwrap().run(&[";ls"], "input").await;
        assert_eq!(printed.unwrap(), "a b\n$HOME\n;ls\ninput");
    }

    #[tokio::test]
    async fn the_agents_environment_stays_with_the_agent() {
        let script =
            Script::new("env | grep -v -e '^PWD=' -e '^_=' -e '^SHLVL=' -e '^OLDPWD=' | sort");
        let printed = script.program().run(&[], "").await.unwrap();
        assert_eq!(printed, format!("LC_ALL=C\nPATH={PATH}\n"));
    }

    #[tokio::test]
    async fn a_failure_carries_arguments_exit_code_and_the_end_of_stderr() {
        let script = Script::new("seq 1 100000 >&2; printf 'no\\033 medium\\n' >&2; exit 3");
        let error = script
            .program()
            .run(&["get-primary"], "")
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("get-primary` failed with exit code 3: "),
            "{text}"
        );
        assert!(text.ends_with("100000 | no\u{fffd} medium"), "{text}");
        assert!(text.len() < 2 * STDERR_TAIL_LEN);
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let script = Script::new(r#"sleep 600 & echo $! > "$(dirname "$0")/child"; wait"#);
        let program = script.program().with_time_limit(Duration::from_millis(300));
        let error = program.run(&[], "").await.unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { .. }));

        let child = script.read("child");
        let stat = format!("/proc/{}/stat", child.trim());
        let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let ended = (0..100_000).any(|_| {
            std::thread::yield_now();
            !runs()
        });
        assert!(ended, "the child is still there");
    }

    #[tokio::test]
    async fn a_child_that_keeps_the_pipes_open_does_not_hold_us_up() {
        let script = Script::new(r#"sleep 600 & echo $! > "$(dirname "$0")/child"; echo done"#);
        let printed = script.program().run(&[], "").await.unwrap();
        assert_eq!(printed, "done\n");

        let child = script.read("child").trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn endless_output_is_read_and_refused() {
        let script = Script::new("head -c 1000000 /dev/zero");
        let error = script.program().run(&[], "").await.unwrap_err();
        assert!(matches!(
            error,
            ProgramError::Output {
                limit: STDOUT_LEN_MAX,
                ..
            }
        ));
    }

    #[tokio::test]
    async fn a_program_that_others_can_write_is_not_run() {
        let script = Script::new("exit 0");
        fs::set_permissions(script.path(), fs::Permissions::from_mode(0o775)).unwrap();
        let error = script.program().run(&[], "").await.unwrap_err();
        assert!(matches!(error, ProgramError::Untrusted { mode: 0o775, .. }));
    }

    #[test]
    fn a_program_is_never_looked_for_in_a_path() {
        let error = Program::new(&["reboot".to_owned()]).unwrap_err();
        assert!(matches!(error, ProgramError::NotAbsolute { .. }));
        assert!(matches!(Program::new(&[]), Err(ProgramError::Empty)));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let program = Program::new(&["/nonexistent/program".to_owned()]).unwrap();
        let error = program.run(&[], "").await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/program"));
    }
}
