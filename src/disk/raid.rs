//! RAID arrays as seen from their members: which devices belong together, whether the array can be started without
//! loss, and what its beginning contains, without starting it.

mod parity;

use super::superblock::Superblock;
use super::superblock::raid::{Level, MemberRole, MetadataVersion, RaidMember};
use parity::StripeRow;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// How many bytes of an array [`ArrayHead`] covers. All superblocks that are probed for are within.
const HEAD_BYTES: u64 = 1024 * 1024;

/// Devices of one array.
#[derive(Debug, Clone)]
pub struct MemberSet {
    /// The array's UUID, as blkid prints it.
    pub uuid: String,
    /// The superblock that was written last.
    pub newest: RaidMember,
    /// Every device with this UUID, by its index among those inspected.
    pub members: Vec<usize>,
    /// Devices with all of the data of their role, by role: index, and byte offset of the data.
    in_sync: BTreeMap<u32, (usize, u64)>,
}

/// Whether an array can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No device is missing.
    Complete,
    /// This many devices are missing, but no data is lost.
    Degraded(u32),
    /// This many devices are missing, and the array was being written when it stopped: starting it may give wrong data.
    Dirty(u32),
    /// This many devices are missing, and data is lost.
    Broken(u32),
    /// It never ran: its creation was interrupted, and it holds no data.
    NeverRan,
}

/// Groups devices by array. Those with an invalid superblock belong to none.
pub fn member_sets<'s>(devices: impl IntoIterator<Item = &'s Superblock>) -> Vec<MemberSet> {
    let mut sets: BTreeMap<&str, Vec<(usize, &RaidMember)>> = BTreeMap::new();
    for (place, superblock) in devices.into_iter().enumerate() {
        if let (Some(uuid), Some(raid)) = (&superblock.uuid, &superblock.raid) {
            sets.entry(uuid).or_default().push((place, raid));
        }
    }
    sets.into_iter()
        .filter_map(|(uuid, members)| MemberSet::of(uuid, &members))
        .collect()
}

impl MemberSet {
    fn of(uuid: &str, members: &[(usize, &RaidMember)]) -> Option<Self> {
        let (_, newest) = members.iter().max_by_key(|(_, member)| member.events)?;
        // A difference of one does not count: a power cut may come between the writes of two superblocks.
        let is_current = |member: &RaidMember| member.events.saturating_add(1) >= newest.events;
        let in_sync = members
            .iter()
            .filter(|(_, member)| is_current(member) && !member.is_rebuilding)
            .filter_map(|(place, member)| match member.role {
                MemberRole::Active(role) if newest.working.contains(&role) => {
                    Some((role, (*place, member.data_offset)))
                }
                _ => None,
            });
        Some(Self {
            uuid: uuid.to_owned(),
            newest: (*newest).clone(),
            members: members.iter().map(|(place, _)| *place).collect(),
            in_sync: in_sync.collect(),
        })
    }

    /// Whether it can be started.
    pub fn health(&self) -> Health {
        let newest = &self.newest;
        let devices = newest.devices;
        let present = u32::try_from(self.in_sync.len()).unwrap_or(u32::MAX);
        let missing = devices.saturating_sub(present);
        let is_redundant = !matches!(newest.level, Level::Raid0 | Level::Linear);
        // For 0.90 mdadm itself counts the first event; the kernel counts from when it starts the array, but never for
        // levels without redundancy.
        let first = u64::from(newest.metadata == MetadataVersion::V0_90);
        if is_redundant && newest.events <= first {
            return Health::NeverRan;
        }
        let is_parity = matches!(newest.level, Level::Raid4 | Level::Raid5 | Level::Raid6);
        match missing {
            0 => Health::Complete,
            _ if !self.has_all_data() => Health::Broken(missing),
            _ if is_parity && !newest.is_clean => Health::Dirty(missing),
            _ => Health::Degraded(missing),
        }
    }

    fn has_all_data(&self) -> bool {
        let devices = self.newest.devices;
        let missing = devices.saturating_sub(u32::try_from(self.in_sync.len()).unwrap_or(0));
        match self.newest.level {
            Level::Raid1 => !self.in_sync.is_empty(),
            Level::Raid4 | Level::Raid5 => missing <= 1,
            Level::Raid6 => missing <= 2,
            Level::Raid10 => self.has_every_copy_set(),
            Level::Linear | Level::Raid0 | Level::Other(_) => missing == 0,
        }
    }

    /// RAID 10 has the copies of a chunk on adjacent devices; one device of each such group must be present.
    fn has_every_copy_set(&self) -> bool {
        let devices = self.newest.devices;
        let near = self.newest.layout & 0xFF;
        let copies = near * ((self.newest.layout >> 8) & 0xFF);
        if near == 0 || copies == 0 || copies > devices {
            return false;
        }
        (0..devices).all(|group| {
            let first = (group * near) % devices;
            (0..copies).any(|copy| self.in_sync.contains_key(&((first + copy) % devices)))
        })
    }

    /// The beginning of the array, read from its members; `None` if its layout is not known or too much is missing.
    pub fn head<'a, R: Read + Seek>(&'a self, members: &'a mut [R]) -> Option<ArrayHead<'a, R>> {
        if self.newest.is_special {
            return None;
        }
        let bytes = self
            .bytes()
            .map_or(HEAD_BYTES, |bytes| bytes.min(HEAD_BYTES));
        let mut at = 0;
        while at < bytes {
            at += self.locate(at)?.bytes;
        }
        Some(ArrayHead {
            set: self,
            members,
            bytes,
            position: 0,
        })
    }

    /// Size of the array in bytes, if the superblock determines it.
    fn bytes(&self) -> Option<u64> {
        let newest = &self.newest;
        let devices = u64::from(newest.devices);
        let used = newest.used_bytes;
        match newest.level {
            Level::Raid1 => Some(used),
            Level::Raid4 | Level::Raid5 => used.checked_mul(devices.checked_sub(1)?),
            Level::Raid6 => used.checked_mul(devices.checked_sub(2)?),
            _ => None,
        }
    }

    fn locate(&self, at: u64) -> Option<Chunk> {
        let newest = &self.newest;
        let place = |role: u32, offset: u64| {
            let (member, start) = self.in_sync.get(&role)?;
            Some((*member, start.checked_add(offset)?))
        };
        if matches!(newest.level, Level::Raid1 | Level::Linear) {
            let role = match newest.level {
                Level::Raid1 => *self.in_sync.keys().next()?,
                _ => 0,
            };
            return Some(Chunk {
                sources: vec![(place(role, at)?, 1)],
                bytes: HEAD_BYTES,
            });
        }
        let chunk = newest.chunk_bytes;
        if chunk < 4096 || newest.devices == 0 {
            return None;
        }
        let (index, within) = (at / chunk, at % chunk);
        let stripe = self.stripe(index)?;
        let offset = stripe.row.checked_mul(chunk)?.checked_add(within)?;
        let direct = stripe.roles.iter().find_map(|role| place(*role, offset));
        let sources = match direct {
            Some(source) => vec![(source, 1)],
            None => {
                let recipes = stripe.parity?.recipes(*stripe.roles.first()?);
                recipes.into_iter().find_map(|recipe| {
                    let parts = recipe.into_iter();
                    let parts = parts.map(|(role, scale)| Some((place(role, offset)?, scale)));
                    parts.collect::<Option<Vec<_>>>()
                })?
            }
        };
        Some(Chunk {
            sources,
            bytes: chunk - within,
        })
    }

    /// Where the kernel stores a chunk.
    fn stripe(&self, index: u64) -> Option<Stripe> {
        let newest = &self.newest;
        let devices = u64::from(newest.devices);
        let narrow = |role: u64| u32::try_from(role).ok();
        match newest.level {
            Level::Raid0 => Some(Stripe {
                roles: vec![narrow(index % devices)?],
                row: index / devices,
                parity: None,
            }),
            Level::Raid10 => {
                let near = u64::from(newest.layout & 0xFF);
                let far = u64::from((newest.layout >> 8) & 0xFF);
                let is_offset = newest.layout & (1 << 16) != 0;
                let first = index.checked_mul(near)?;
                let in_one_row = first % devices + near <= devices;
                // Copies that continue in the next row would have another row number.
                let copies = if in_one_row { near } else { 1 };
                let roles = (0..copies).map(|copy| narrow(first % devices + copy));
                Some(Stripe {
                    roles: roles.collect::<Option<_>>()?,
                    row: first / devices * if is_offset { far } else { 1 },
                    parity: None,
                })
            }
            Level::Raid4 | Level::Raid5 | Level::Raid6 => self.parity_stripe(index),
            _ => None,
        }
    }

    fn parity_stripe(&self, index: u64) -> Option<Stripe> {
        let devices = u64::from(self.newest.devices);
        let parities = if self.newest.level == Level::Raid6 {
            2
        } else {
            1
        };
        let data = devices.checked_sub(parities).filter(|data| *data > 0)?;
        let (row, nth) = (index / data, index % data);
        let left_parity = devices - 1 - row % devices;
        let layout = match self.newest.level {
            Level::Raid4 => 5,
            _ => self.newest.layout,
        };
        let (parity, q) = match layout {
            0 | 2 => (left_parity, (left_parity + 1) % devices),
            1 | 3 => (row % devices, (row % devices + 1) % devices),
            4 => (0, 1),
            5 => (data, data + 1),
            _ => return None,
        };
        let q = Some(q).filter(|_| parities == 2);
        let role = match layout {
            2 | 3 => (parity + parities + nth) % devices,
            _ => {
                let taken = |role: &u64| *role == parity || Some(*role) == q;
                (0..devices)
                    .filter(|role| !taken(role))
                    .nth(usize::try_from(nth).ok()?)?
            }
        };
        let narrow = |role: u64| u32::try_from(role).ok();
        // Q counts from the device after its own.
        let first = q.map_or(0, |q| q + 1);
        let others = (0..devices).map(|nth| (first + nth) % devices);
        let data = others.filter(|other| *other != parity && Some(*other) != q);
        Some(Stripe {
            roles: vec![narrow(role)?],
            row,
            parity: Some(StripeRow {
                data: data.map(narrow).collect::<Option<_>>()?,
                p: narrow(parity)?,
                q: q.and_then(narrow),
            }),
        })
    }
}

/// Where a chunk of data is stored.
struct Stripe {
    /// Roles of the devices that have it.
    roles: Vec<u32>,
    /// Index of the chunk on these devices.
    row: u64,
    /// How its row is protected.
    parity: Option<StripeRow>,
}

/// A run of bytes of the array: the sum of all sources (device and offset), each times its factor.
struct Chunk {
    sources: Vec<((usize, u64), u8)>,
    bytes: u64,
}

/// The beginning of an array that is not running. See [`MemberSet::head`].
#[derive(Debug)]
pub struct ArrayHead<'a, R> {
    set: &'a MemberSet,
    members: &'a mut [R],
    bytes: u64,
    position: u64,
}

impl<R: Read + Seek> Read for ArrayHead<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.saturating_sub(self.position);
        let Some(chunk) = self.set.locate(self.position).filter(|_| left > 0) else {
            return Ok(0);
        };
        let limit = usize::try_from(left.min(chunk.bytes)).unwrap_or(usize::MAX);
        let count = buffer.len().min(limit);
        let target = &mut buffer[..count];
        target.fill(0);
        let mut part = vec![0; count];
        for ((member, offset), scale) in chunk.sources {
            let missing = || io::Error::new(io::ErrorKind::NotFound, "a member is missing");
            let device = self.members.get_mut(member).ok_or_else(missing)?;
            device.seek(SeekFrom::Start(offset))?;
            device.read_exact(&mut part)?;
            let products: [u8; 256] =
                std::array::from_fn(|byte| parity::multiply(scale, byte as u8));
            let sum = target.iter_mut().zip(&part);
            sum.for_each(|(to, from)| *to ^= products[usize::from(*from)]);
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for ArrayHead<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = super::position::after_seek(self.position, self.bytes, to)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const CHUNK: u64 = 4096;

    fn member(level: Level, layout: u32, devices: u32, role: u32) -> RaidMember {
        RaidMember {
            metadata: MetadataVersion::V1_2,
            name: Some("any:data".into()),
            level,
            layout,
            chunk_bytes: CHUNK,
            devices,
            used_bytes: 16 * CHUNK,
            data_offset: 512 * u64::from(role + 1),
            role: MemberRole::Active(role),
            is_rebuilding: false,
            events: 20,
            is_clean: true,
            is_special: false,
            working: (0..devices).collect(),
        }
    }

    fn superblock(member: RaidMember) -> Superblock {
        Superblock {
            uuid: Some("u".into()),
            raid: Some(Box::new(member)),
            ..Superblock::default()
        }
    }

    fn set(level: Level, layout: u32, devices: u32, present: &[u32]) -> MemberSet {
        let members: Vec<Superblock> = present
            .iter()
            .map(|role| superblock(member(level, layout, devices, *role)))
            .collect();
        member_sets(&members).remove(0)
    }

    #[test]
    fn chunks_are_where_the_kernel_stores_them() {
        // Level, layout, devices, then role of each chunk in order.
        let cases: [(Level, u32, u32, &[u32]); 11] = [
            (Level::Raid0, 0, 3, &[0, 1, 2, 0]),
            (Level::Raid4, 0, 3, &[0, 1, 0, 1]),
            (Level::Raid5, 0, 3, &[0, 1, 0, 2, 1, 2]),
            (Level::Raid5, 1, 3, &[1, 2, 0, 2, 0, 1]),
            (Level::Raid5, 2, 3, &[0, 1, 2, 0, 1, 2]),
            (Level::Raid5, 3, 3, &[1, 2, 2, 0, 0, 1]),
            (Level::Raid6, 2, 4, &[1, 2, 0, 1, 3, 0]),
            (Level::Raid6, 0, 4, &[1, 2, 0, 1, 0, 3]),
            (Level::Raid10, 0x102, 4, &[0, 2, 0, 2]),
            (Level::Raid10, 0x102, 3, &[0, 2, 1, 0]),
            (Level::Raid10, 0x201, 4, &[0, 1, 2, 3, 0]),
        ];
        for (level, layout, devices, roles) in cases {
            let all: Vec<u32> = (0..devices).collect();
            let set = set(level, layout, devices, &all);
            let found: Vec<u32> = (0..roles.len() as u64)
                .map(|chunk| set.stripe(chunk).expect("known").roles[0])
                .collect();
            assert_eq!(found, roles, "{level} layout {layout}");
        }
    }

    #[test]
    fn a_missing_chunk_is_computed() {
        let at = |role: u64| 512 * (role + 1);
        let mut data = vec![vec![0_u8; 1 << 16]; 3];
        for (role, byte) in [(0, 7), (1, 9), (2, 7 ^ 9)] {
            let from = at(role as u64) as usize;
            data[role][from..from + CHUNK as usize].fill(byte);
        }
        let read = |roles: &[u32]| {
            let set = set(Level::Raid5, 2, 3, roles);
            let present = roles.iter().map(|r| Cursor::new(data[*r as usize].clone()));
            let mut members: Vec<_> = present.collect();
            let mut head = set.head(&mut members).expect("known");
            let mut bytes = vec![0; 2 * CHUNK as usize];
            head.read_exact(&mut bytes).expect("readable");
            (bytes[0], bytes[CHUNK as usize - 1], bytes[CHUNK as usize])
        };
        for roles in [&[0, 1, 2][..], &[1, 2], &[0, 2], &[0, 1]] {
            assert_eq!(read(roles), (7, 7, 9), "{roles:?}");
        }
    }

    #[test]
    fn health() {
        let all =
            |level, layout, devices, present: &[u32]| set(level, layout, devices, present).health();
        assert_eq!(all(Level::Raid1, 0, 2, &[0, 1]), Health::Complete);
        assert_eq!(all(Level::Raid1, 0, 3, &[2]), Health::Degraded(2));
        assert_eq!(all(Level::Raid0, 0, 2, &[1]), Health::Broken(1));
        assert_eq!(all(Level::Linear, 0, 2, &[0, 1]), Health::Complete);
        assert_eq!(all(Level::Raid5, 2, 3, &[1, 2]), Health::Degraded(1));
        assert_eq!(all(Level::Raid5, 2, 3, &[2]), Health::Broken(2));
        assert_eq!(all(Level::Raid6, 2, 4, &[1, 3]), Health::Degraded(2));
        assert_eq!(all(Level::Raid10, 0x102, 4, &[0, 3]), Health::Degraded(2));
        assert_eq!(all(Level::Raid10, 0x102, 4, &[0, 1]), Health::Broken(2));
        assert_eq!(all(Level::Raid10, 0x201, 4, &[0, 2]), Health::Degraded(2));
        assert_eq!(all(Level::Raid10, 0x201, 4, &[0, 1]), Health::Broken(2));
    }

    #[test]
    fn health_of_interrupted_arrays() {
        let with = |change: &dyn Fn(u32, &mut RaidMember), roles: &[u32]| {
            let members: Vec<Superblock> = roles
                .iter()
                .map(|role| {
                    let mut member = member(Level::Raid5, 2, 3, *role);
                    change(*role, &mut member);
                    superblock(member)
                })
                .collect();
            member_sets(&members).remove(0).health()
        };
        assert_eq!(with(&|_, m| m.events = 0, &[0, 1, 2]), Health::NeverRan);
        assert_eq!(with(&|_, m| m.events = 0, &[0]), Health::NeverRan);
        assert_eq!(
            with(&|_, m| m.is_clean = false, &[0, 1, 2]),
            Health::Complete
        );
        assert_eq!(with(&|_, m| m.is_clean = false, &[0, 1]), Health::Dirty(1));
        let one_behind = |role: u32, m: &mut RaidMember| m.events -= u64::from(role == 1);
        assert_eq!(with(&one_behind, &[0, 1, 2]), Health::Complete);
        let stale = |role: u32, m: &mut RaidMember| m.events -= u64::from(role == 1) * 2;
        assert_eq!(with(&stale, &[0, 1, 2]), Health::Degraded(1));
        let faulty = |role: u32, m: &mut RaidMember| match role {
            1 => m.events -= 1,
            _ => m.working = vec![0, 2],
        };
        assert_eq!(with(&faulty, &[0, 1, 2]), Health::Degraded(1));
        let rebuilding = |role: u32, m: &mut RaidMember| m.is_rebuilding = role == 1;
        assert_eq!(with(&rebuilding, &[0, 1, 2]), Health::Degraded(1));
    }
}
