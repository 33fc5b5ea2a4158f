//! The `kindling` binary, which only calls the library.

fn main() -> std::process::ExitCode {
    kindling::main()
}
