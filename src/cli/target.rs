//! Options for the target of a command: images, a tree, or the devices of this machine.

use super::reading::ReadingArgs;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

/// Options that name the target.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// Bind a device named in the config to an image file
    ///
    /// With `size=` the image is created as a sparse file, or grown to that size. Repeat for more
    /// disks. Example: --image /dev/vda=disk.img,size=4G. A file in another format than raw (qcow2, ISO,
    /// compressed, ...) is refused, unless `format=raw` says that it may be overwritten.
    #[arg(long = "image", value_name = "DEVICE=FILE[,size=SIZE][,format=raw]", value_hint = clap::ValueHint::AnyPath)]
    pub images: Vec<ImageBinding>,
    /// Apply only files, users and units, to an existing tree
    ///
    /// Sections that a tree cannot take (disks, raid, luks, filesystems, kernelArguments) are refused.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["images", "target"])]
    pub root: Option<PathBuf>,
    /// Skip sections that the target cannot take instead of refusing them
    ///
    /// A tree cannot take disks, raid, luks, filesystems and kernelArguments; an image cannot take
    /// kernelArguments.
    #[arg(long)]
    pub ignore_unsupported: bool,
    /// Use the real devices of this machine; their file systems are mounted below DIR
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    pub target: Option<PathBuf>,
    /// Fail instead of using the network
    #[arg(long)]
    pub offline: bool,
    /// How the config is read
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// The kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Image files; the root is assembled from their file systems.
    Images,
    /// An existing tree.
    Tree,
    /// The devices of this machine.
    Devices,
}

impl TargetArgs {
    /// The mode that the options select.
    pub(crate) fn mode(&self) -> Mode {
        if self.root.is_some() {
            Mode::Tree
        } else if self.images.is_empty() {
            Mode::Devices
        } else {
            Mode::Images
        }
    }
}

/// One `--image` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageBinding {
    /// The device name in the config.
    pub device: String,
    /// The image file.
    pub file: PathBuf,
    /// Size in bytes to create the file with or to grow it to.
    pub bytes: Option<u64>,
    /// Logical sector size of a new image in bytes.
    pub sector_bytes: Option<u32>,
    /// True if the file is to be treated as a raw image whatever it contains.
    pub is_raw: bool,
}

impl FromStr for ImageBinding {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (device, rest) = text
            .split_once('=')
            .ok_or("expected DEVICE=FILE[,size=SIZE]")?;
        if !device.starts_with('/') {
            return Err(format!(
                "device {device:?} must be an absolute path, as in the config"
            ));
        }
        let mut parts = rest.split(',');
        let file = parts
            .next()
            .filter(|file| !file.is_empty())
            .ok_or("the image file is missing")?;
        let mut binding = Self {
            device: device.into(),
            file: file.into(),
            bytes: None,
            sector_bytes: None,
            is_raw: false,
        };
        for option in parts {
            match option.split_once('=') {
                Some(("size", size)) => binding.bytes = Some(parse_size(size)?),
                Some(("sector", "512")) => binding.sector_bytes = Some(512),
                Some(("sector", "4096")) => binding.sector_bytes = Some(4096),
                Some(("format", "raw")) => binding.is_raw = true,
                Some(("format", format)) => {
                    return Err(format!("unknown format {format:?}; known: raw"));
                }
                _ => {
                    return Err(format!(
                        "unknown option {option:?}; known: size=SIZE, sector=512|4096, format=raw"
                    ));
                }
            }
        }
        Ok(binding)
    }
}

/// Parses a size such as `4G`, `512MiB` or `1048576` to bytes; units are powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(format!("{unit:?} is not a size unit; use K, M, G or T")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is not a size, e.g. 4G"))?;
    let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
    let bytes = bytes.ok_or_else(|| format!("size {text:?} is out of range"))?;
    if bytes % 4096 == 0 {
        Ok(bytes)
    } else {
        Err(format!("size {text:?} is not a multiple of 4096 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_parsed() {
        let binding = ImageBinding {
            device: "/dev/vda".into(),
            file: "a.img".into(),
            bytes: Some(4 << 30),
            sector_bytes: None,
            is_raw: false,
        };
        assert_eq!("/dev/vda=a.img,size=4G".parse(), Ok(binding.clone()));
        let raw = ImageBinding {
            is_raw: true,
            ..binding.clone()
        };
        assert_eq!("/dev/vda=a.img,format=raw,size=4G".parse(), Ok(raw));
        let plain = ImageBinding {
            bytes: None,
            ..binding
        };
        assert_eq!("/dev/vda=a.img".parse(), Ok(plain));
    }

    #[test]
    fn invalid_bindings_are_explained() {
        for (text, want) in [
            ("disk.img", "expected DEVICE=FILE"),
            ("vda=disk.img", "absolute path"),
            ("/dev/vda=", "image file is missing"),
            ("/dev/vda=a,size=4X", "not a size unit"),
            ("/dev/vda=a,size=big", "not a size unit"),
            ("/dev/vda=a,size=0", "out of range"),
            ("/dev/vda=a,size=99999999T", "out of range"),
            ("/dev/vda=a,size=1000", "multiple of 4096"),
            ("/dev/vda=a,ro", "unknown option"),
            ("/dev/vda=a,format=qcow2", "known: raw"),
        ] {
            let error = text.parse::<ImageBinding>().expect_err(text);
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
