//! The `kindling` binary: one library call and an exit code.

fn main() -> std::process::ExitCode {
    kindling::main()
}
