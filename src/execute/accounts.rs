//! Users, groups and ssh keys.

use super::stage::Stage;
use super::tree::remove_tree;
use super::{Context, Done, native};
use crate::host::accounts::{Lookup, PasswdLine};
use crate::host::{Command, TargetRoot};
use crate::plan::op::{AccountBackend, AccountChange, GroupAct, SshKeys, UserAct};
use anyhow::{Context as _, ensure};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, fchown, setfsgid, setfsuid};
use std::io::Write;
use std::os::fd::OwnedFd;

/// Creates, changes or deletes a group.
pub fn group(act: &GroupAct, context: &Context) -> anyhow::Result<Done> {
    match act.backend {
        AccountBackend::ShadowTools => {
            group_command(act, context.root).run()?;
        }
        AccountBackend::Native => native::group(act, context.root)
            .with_context(|| format!("cannot {} group {}", verb(act.change), act.name))?,
    }
    context.root.names().forget();
    Ok(Done::default())
}

/// Creates, changes or deletes a user.
pub fn user(act: &UserAct, context: &Context) -> anyhow::Result<Done> {
    match act.backend {
        AccountBackend::ShadowTools => with_tools(act, context.root),
        AccountBackend::Native => native::user(act, context.root),
    }
    .with_context(|| format!("cannot {} user {}", verb(act.change), act.name))?;
    context.root.names().forget();
    adopt(act, context)?;
    Ok(Done::default())
}

fn verb(change: AccountChange) -> &'static str {
    match change {
        AccountChange::Create => "create",
        AccountChange::Modify => "change",
        AccountChange::Delete => "delete",
    }
}

fn with_tools(act: &UserAct, root: &TargetRoot) -> anyhow::Result<()> {
    if act.change != AccountChange::Modify || changes_fields(act) {
        user_command(act, root).run()?;
    }
    // useradd fills a home through /proc of the target, and without it leaves out what is below
    // the first level of the skeleton, silently. So the home is ours to make.
    if act.create_home {
        native::make_home_of(&act.name, root)?;
    }
    Ok(())
}

/// False if there is nothing for usermod to do, which it would take for a wrong usage.
fn changes_fields(act: &UserAct) -> bool {
    let texts = [
        &act.gecos,
        &act.home,
        &act.shell,
        &act.primary_group,
        &act.password_hash,
    ];
    act.uid.is_some() || !act.groups.is_empty() || texts.iter().any(|text| text.is_some())
}

/// The tools change several files one after the other, and leave locks when killed.
fn tool(name: &str, root: &TargetRoot) -> Command {
    Command::new(name)
        .outliving_us()
        .arg("--root")
        .arg(root.path().to_string_lossy())
}

fn option(command: Command, name: &str, value: Option<impl Into<String>>) -> Command {
    match value {
        Some(value) => command.arg(name).arg(value),
        None => command,
    }
}

fn secret(command: Command, name: &str, value: Option<&str>) -> Command {
    match value {
        Some(value) => command.arg(name).secret(value),
        None => command,
    }
}

fn flag(command: Command, name: &str, set: bool) -> Command {
    if set { command.arg(name) } else { command }
}

fn group_command(act: &GroupAct, root: &TargetRoot) -> Command {
    let mut command = match act.change {
        AccountChange::Create => tool("groupadd", root),
        AccountChange::Modify => tool("groupmod", root),
        AccountChange::Delete => return tool("groupdel", root).arg(&act.name),
    };
    command = option(command, "--gid", act.gid.map(|gid| gid.to_string()));
    command = secret(command, "--password", act.password_hash.as_deref());
    command = flag(
        command,
        "--system",
        act.system && act.change == AccountChange::Create,
    );
    command.arg(&act.name)
}

fn user_command(act: &UserAct, root: &TargetRoot) -> Command {
    let mut command = match act.change {
        AccountChange::Create => new_user_command(act, root),
        AccountChange::Modify => {
            let command = option(tool("usermod", root), "--home", act.home.as_deref());
            let command = flag(command, "--move-home", act.home.is_some());
            secret(command, "--password", act.password_hash.as_deref())
        }
        AccountChange::Delete => return tool("userdel", root).arg("--remove").arg(&act.name),
    };
    command = option(command, "--uid", act.uid.map(|uid| uid.to_string()));
    command = option(command, "--comment", act.gecos.as_deref());
    command = option(command, "--gid", act.primary_group.as_deref());
    let groups = (!act.groups.is_empty()).then(|| act.groups.join(","));
    command = option(command, "--groups", groups);
    option(command, "--shell", act.shell.as_deref()).arg(&act.name)
}

fn new_user_command(act: &UserAct, root: &TargetRoot) -> Command {
    let mut command = option(tool("useradd", root), "--home-dir", act.home.as_deref());
    command = command.arg("--no-create-home");
    command = flag(command, "--no-user-group", !act.user_group);
    command = flag(command, "--system", act.system);
    command = flag(command, "--no-log-init", act.no_log_init);
    let hash = act.password_hash.as_deref().unwrap_or("*");
    secret(command, "--password", Some(hash))
}

/// Gives directories that mounting invented below a home to its user.
fn adopt(act: &UserAct, context: &Context) -> anyhow::Result<()> {
    if act.adopts.is_empty() {
        return Ok(());
    }
    let user = lookup(context.root, &act.name)?;
    for path in &act.adopts {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let directory = match context.root.open_at(path, flags, Mode::empty()) {
            Err(Errno::ENOENT) => continue,
            other => other.with_context(|| format!("cannot open {path}"))?,
        };
        fchown(
            &directory,
            Some(Uid::from_raw(user.uid)),
            Some(Gid::from_raw(user.gid)),
        )
        .and_then(|()| fchmod(&directory, Mode::S_IRWXU))
        .with_context(|| format!("cannot give {path} to user {}", act.name))?;
    }
    Ok(())
}

fn lookup(root: &TargetRoot, name: &str) -> anyhow::Result<PasswdLine> {
    let user = Lookup::new(root).user(name)?;
    user.with_context(|| format!("the target has no user named {name:?}"))
}

// ---- ssh keys

/// Writes a user's public keys, with no more rights on the file system than the user has: a home
/// prepared with links cannot make us write elsewhere.
pub fn ssh_keys(act: &SshKeys, context: &Context) -> anyhow::Result<Done> {
    let user = lookup(context.root, &act.user)?;
    // The identity for file access belongs to the thread, so the writing gets its own.
    let written =
        std::thread::scope(|scope| scope.spawn(|| write_keys(act, &user, context.root)).join());
    written
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the writer panicked")))
        .with_context(|| {
            format!(
                "cannot write ssh keys of user {} to {}/{}",
                act.user, user.home, act.file
            )
        })?;
    Ok(Done {
        bytes: Some(act.text.len() as u64),
        ..Done::default()
    })
}

fn write_keys(act: &SshKeys, user: &PasswdLine, root: &TargetRoot) -> anyhow::Result<()> {
    let home_flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    become_user(user)?;
    let mut directory = match root.open_at(&user.home, home_flags, Mode::empty()) {
        Err(Errno::ENOENT) => make_home(user, root)?,
        other => other.context("cannot open the home directory")?,
    };
    let (below, name) = act.file.rsplit_once('/').unwrap_or(("", &act.file));
    for (part, path) in prefixes(below) {
        match mkdirat(&directory, part, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make directory {path}"));
            }
        }
        // Links may lead elsewhere inside the root, where the user's own rights count.
        let whole = format!("{}/{path}", user.home);
        directory = root
            .open_at(&whole, home_flags, Mode::empty())
            .with_context(|| format!("cannot open directory {path}"))?;
    }
    write_key_file(&directory, name, &act.text)
}

/// Parts of a relative path, each with the path up to it.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    ends.map(|end| &path[..end])
        .filter(|path| !path.is_empty())
        .map(|path| (path.rsplit('/').next().unwrap_or(path), path))
}

fn make_home(user: &PasswdLine, root: &TargetRoot) -> anyhow::Result<OwnedFd> {
    let path = user.home.trim_end_matches('/');
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let above = root.open_at(above, flags, Mode::empty());
    let made = above.and_then(|above| {
        mkdirat(&above, name, Mode::S_IRWXU)?;
        openat(
            &above,
            name,
            flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    });
    made.context("the home directory does not exist and the user may not make it")
}

fn write_key_file(directory: &OwnedFd, name: &str, text: &str) -> anyhow::Result<()> {
    let mut stage = Stage::new(directory, name).context("cannot create the file")?;
    stage.file().write_all(text.as_bytes())?;
    fchmod(&*stage.file(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    stage.publish(true)
}

/// Takes on the user's identity for file access, group first; the calls tell nothing about success,
/// asking again does.
fn become_user(user: &PasswdLine) -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setfsgid(gid);
    setfsuid(uid);
    let taken = setfsgid(gid) == gid && setfsuid(uid) == uid;
    ensure!(taken, "cannot act as uid {uid}, gid {gid}");
    Ok(())
}

/// Removes a home directory.
pub(super) fn remove_home(root: &TargetRoot, home: &str) -> anyhow::Result<()> {
    let (above, name) = root.open_parent(home.trim_end_matches('/'))?;
    ensure!(name != ".", "the home directory is the root of the target");
    remove_tree(&above, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserAct {
        UserAct {
            name: "core".into(),
            change: AccountChange::Create,
            differs: vec![],
            adopts: vec![],
            uid: Some(1001),
            gecos: Some("The Core".into()),
            home: Some("/srv/core".into()),
            create_home: true,
            primary_group: Some("staff".into()),
            groups: vec!["a".into(), "b".into()],
            user_group: false,
            no_log_init: true,
            shell: Some("/bin/sh".into()),
            system: true,
            password_hash: Some("$6$salt$hash".into()),
            backend: AccountBackend::ShadowTools,
        }
    }

    #[test]
    fn user_commands() {
        let root = TargetRoot::new("/r");
        let create = user_command(&user(), &root).to_string();
        assert_eq!(
            create,
            "useradd --root /r --home-dir /srv/core --no-create-home --no-user-group --system \
             --no-log-init --password [hidden] --uid 1001 --comment \"The Core\" --gid staff \
             --groups a,b --shell /bin/sh core"
        );
        let modify = UserAct {
            change: AccountChange::Modify,
            ..user()
        };
        assert_eq!(
            user_command(&modify, &root).to_string(),
            "usermod --root /r --home /srv/core --move-home --password [hidden] --uid 1001 \
             --comment \"The Core\" --gid staff --groups a,b --shell /bin/sh core"
        );
        let delete = UserAct {
            change: AccountChange::Delete,
            ..user()
        };
        assert_eq!(
            user_command(&delete, &root).to_string(),
            "userdel --root /r --remove core"
        );
    }

    #[test]
    fn group_commands() {
        let root = TargetRoot::new("/r");
        let mut act = GroupAct {
            name: "g".into(),
            change: AccountChange::Create,
            differs: vec![],
            gid: Some(7),
            system: true,
            password_hash: Some("h".into()),
            backend: AccountBackend::ShadowTools,
        };
        assert_eq!(
            group_command(&act, &root).to_string(),
            "groupadd --root /r --gid 7 --password [hidden] --system g"
        );
        act.change = AccountChange::Modify;
        assert_eq!(
            group_command(&act, &root).to_string(),
            "groupmod --root /r --gid 7 --password [hidden] g"
        );
        act.change = AccountChange::Delete;
        assert_eq!(
            group_command(&act, &root).to_string(),
            "groupdel --root /r g"
        );
    }

    #[test]
    fn prefixes_grow() {
        let found: Vec<_> = prefixes(".ssh/authorized_keys.d").collect();
        assert_eq!(
            found,
            [
                (".ssh", ".ssh"),
                ("authorized_keys.d", ".ssh/authorized_keys.d")
            ]
        );
        assert_eq!(prefixes("").count(), 0);
    }
}
