use std::process::ExitCode;

/// Why a command ended without success: one line for a person, and an exit code for a script.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit_code: u8,
}

impl Failure {
    /// The command failed: exit code 1.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit_code: 1 }
    }

    /// The server could not start: exit code 3. (2 is a wrong command line.)
    pub fn of_start(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit_code: 3 }
    }

    /// Tells the person, and gives the script its code.
    pub fn report(self) -> ExitCode {
        eprintln!("kith: {}", self.message);
        ExitCode::from(self.exit_code)
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Failure {
        Failure::new(format!("the server answered {:?}: {}", status.code(), status.message()))
    }
}
