//! Reboots the device by the operator's command.

use iot_jobs_hal::Reboot;

use crate::program::{Program, ProgramError};

/// A program, such as `/usr/bin/systemctl reboot`, whose exit code 0 means that the reboot is under way.
#[derive(Debug, Clone)]
pub struct RebootCommand {
    program: Program,
}

impl RebootCommand {
    /// Reboots by `program`.
    pub const fn new(program: Program) -> Self {
        Self { program }
    }
}

impl Reboot for RebootCommand {
    type Error = ProgramError;

    async fn reboot(&mut self) -> Result<(), ProgramError> {
        self.program.run(&[], "").await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::fixture::Script;

    #[tokio::test]
    async fn a_command_that_ends_well_is_a_reboot_under_way() {
        let script = Script::new(r#"echo "$@" > "$(dirname "$0")/called""#);
        let program = Program::new(&[script.path(), "now".to_owned()]).unwrap();

        RebootCommand::new(program).reboot().await.unwrap();

        assert_eq!(script.read("called"), "now\n");
    }

    #[tokio::test]
    async fn a_refused_reboot_says_what_the_command_said() {
        let script = Script::new("echo 'Access denied' >&2; exit 4");
        let program = Program::new(&[script.path()]).unwrap();

        let error = RebootCommand::new(program).reboot().await.unwrap_err();

        assert!(matches!(error, ProgramError::Failed { .. }));
        assert!(error.to_string().contains("exit code 4"));
        assert!(error.to_string().contains("Access denied"));
    }
}
