//! A hypervisor in memory, for tests: it implements the protocol of the backdoor at the level of registers.

use super::backdoor::{Hypervisor, Registers};
use std::collections::BTreeMap;

pub(super) struct FakeHypervisor {
    values: BTreeMap<String, String>,
    channels: BTreeMap<u32, FakeChannel>,
    next: u32,
    /// Offers bulk transfers.
    pub offers_bulk: bool,
    pub knows_cookies: bool,
    /// Number of transfers that are interrupted by a checkpoint.
    pub checkpoints: u32,
    /// Sends this instead of a reply.
    pub raw_reply: Option<Vec<u8>>,
    /// Sends no reply at all.
    pub is_silent: bool,
    /// Announces this length for each reply.
    pub announced_length: Option<u32>,
    /// Opens no channel.
    pub is_closed: bool,
    /// Refuses to set values.
    pub refuses_to_set: bool,
}

#[derive(Default)]
struct FakeChannel {
    cookie: (u32, u32),
    expected: usize,
    request: Vec<u8>,
    reply: Option<Vec<u8>>,
    sent: usize,
}

const SUCCESS: u32 = 1;
const HAS_REPLY: u32 = 2;
const CHECKPOINT: u32 = 0x10;
const OFFERS_BULK: u32 = 0x80;

impl FakeHypervisor {
    pub(super) fn with(values: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        FakeHypervisor {
            values: values.iter().map(owned).collect(),
            channels: BTreeMap::new(),
            next: 5,
            offers_bulk: true,
            knows_cookies: true,
            checkpoints: 0,
            raw_reply: None,
            is_silent: false,
            announced_length: None,
            is_closed: false,
            refuses_to_set: false,
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    pub(super) fn open_channels(&self) -> usize {
        self.channels.len()
    }

    fn open(&mut self, registers: Registers) -> (u32, Registers) {
        let wants_cookie = registers.ebx == 0x4943_5052 | 0x8000_0000;
        assert!(
            wants_cookie || registers.ebx == 0x4943_5052,
            "{registers:x?}"
        );
        if self.is_closed || (wants_cookie && !self.knows_cookies) {
            return (0, registers);
        }
        self.next += 1;
        let cookie = match wants_cookie {
            true => (0x1111_0000 + self.next, 0x2222_0000 + self.next),
            false => (0, 0),
        };
        let channel = FakeChannel {
            cookie,
            ..FakeChannel::default()
        };
        self.channels.insert(self.next, channel);
        let after = Registers {
            edx: self.next << 16,
            esi: cookie.0,
            edi: cookie.1,
            ..registers
        };
        (SUCCESS, after)
    }

    fn channel(&mut self, edx: u32, cookie: (u32, u32)) -> &mut FakeChannel {
        let channel = self
            .channels
            .get_mut(&(edx >> 16))
            .expect("an open channel");
        assert_eq!(channel.cookie, cookie, "the cookies of the channel");
        channel
    }

    /// True if this transfer is interrupted.
    fn is_interrupted(&mut self) -> bool {
        let interrupted = self.checkpoints > 0;
        self.checkpoints = self
            .checkpoints
            .saturating_sub(u32::from(self.checkpoints != u32::MAX));
        interrupted
    }

    fn accept(&mut self, edx: u32, bytes: &[u8]) {
        let channel = self
            .channels
            .get_mut(&(edx >> 16))
            .expect("an open channel");
        channel.request.extend(bytes);
        if channel.request.len() < channel.expected {
            return;
        }
        // The last word is padded with zeros.
        let extra = channel.request.split_off(channel.expected);
        assert!(
            extra.len() < 4 && extra.iter().all(|byte| *byte == 0),
            "{extra:?}"
        );
        let request = String::from_utf8(std::mem::take(&mut channel.request)).expect("text");
        let reply = self.reply_to(&request);
        let channel = self
            .channels
            .get_mut(&(edx >> 16))
            .expect("an open channel");
        channel.reply = reply;
        channel.sent = 0;
    }

    fn reply_to(&mut self, request: &str) -> Option<Vec<u8>> {
        if self.is_silent {
            return None;
        }
        if let Some(raw) = &self.raw_reply {
            return Some(raw.clone());
        }
        let words: Vec<&str> = request.splitn(3, ' ').collect();
        let reply = match words.as_slice() {
            ["info-get", key] => match self.values.get(*key) {
                Some(value) => format!("1 {value}"),
                None => "0 No value found".into(),
            },
            ["info-set", ..] if self.refuses_to_set => "0 Permission denied".into(),
            ["info-set", key, value] => {
                self.values.insert((*key).into(), (*value).into());
                "1 ".into()
            }
            _ => "0 Unknown command".into(),
        };
        Some(reply.into_bytes())
    }
}

impl Hypervisor for FakeHypervisor {
    fn call(&mut self, registers: Registers) -> Registers {
        if registers.ecx == 10 {
            return Registers {
                eax: 6,
                ebx: 0x564d_5868,
                ..registers
            };
        }
        assert_eq!(registers.ecx & 0xffff, 0x1e, "a message");
        let kind = registers.ecx >> 16;
        let bulk = if self.offers_bulk { OFFERS_BULK } else { 0 };
        let cookie = (registers.esi, registers.edi);
        let Registers { ebx, edx, .. } = registers;
        let (status, after) = match kind {
            0 => self.open(registers),
            1 => {
                let channel = self.channel(edx, cookie);
                channel.expected = ebx as usize;
                channel.request.clear();
                (SUCCESS | bulk, registers)
            }
            2 | 4 if self.is_interrupted() => (CHECKPOINT, registers),
            2 => {
                self.channel(edx, cookie);
                self.accept(edx, &ebx.to_le_bytes());
                (SUCCESS, registers)
            }
            3 => {
                let announced = self.announced_length;
                let channel = self.channel(edx, cookie);
                channel.sent = 0;
                match &channel.reply {
                    None => (SUCCESS, registers),
                    Some(reply) => {
                        let after = Registers {
                            ebx: announced.unwrap_or(reply.len() as u32),
                            edx: 1 << 16,
                            ..registers
                        };
                        (SUCCESS | HAS_REPLY | bulk, after)
                    }
                }
            }
            4 => {
                assert_eq!(ebx & 0xffff, 1, "the last word came well");
                let channel = self.channel(edx, cookie);
                let reply = channel.reply.as_deref().expect("a reply");
                let mut word = [0xee; 4];
                let rest = &reply[channel.sent..];
                let length = rest.len().min(4);
                word[..length].copy_from_slice(&rest[..length]);
                channel.sent += length;
                let after = Registers {
                    ebx: u32::from_le_bytes(word),
                    edx: 2 << 16,
                    ..registers
                };
                (SUCCESS, after)
            }
            5 => {
                self.channel(edx, cookie).reply = None;
                (SUCCESS, registers)
            }
            6 => {
                self.channel(edx, cookie);
                self.channels.remove(&(edx >> 16));
                (SUCCESS, registers)
            }
            _ => panic!("message {kind}"),
        };
        Registers {
            ecx: status << 16 | after.ecx & 0xffff,
            ..after
        }
    }

    fn send(&mut self, bytes: &[u8], registers: Registers) -> Registers {
        assert!(self.offers_bulk, "bulk was not offered");
        assert_eq!(registers.ebx, 0x0001_0000);
        let status = if self.is_interrupted() {
            CHECKPOINT
        } else {
            self.channel(registers.edx, (registers.ebp, registers.edi));
            self.accept(registers.edx, bytes);
            SUCCESS
        };
        Registers {
            ebx: status << 16,
            ..registers
        }
    }

    fn receive(&mut self, buffer: &mut [u8], registers: Registers) -> Registers {
        assert!(self.offers_bulk, "bulk was not offered");
        assert_eq!(registers.ebx, 0x0001_0000);
        let status = if self.is_interrupted() {
            CHECKPOINT
        } else {
            let channel = self.channel(registers.edx, (registers.esi, registers.ebp));
            buffer.copy_from_slice(channel.reply.as_deref().expect("a reply"));
            SUCCESS
        };
        Registers {
            ebx: status << 16,
            ..registers
        }
    }
}
